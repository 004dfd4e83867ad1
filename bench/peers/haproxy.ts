import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BenchProcess } from "../bench-process.ts";
import { BACKEND_BODY, REALISTIC_BODY, REALISTIC_RESPONSE_FIELDS } from "../requests.ts";
import { CIPHER, PEER_ENVIRONMENT, type PeerFiles, type PeerHop, type PeerSpec, toFileName } from "./peer.ts";

const BASE = `global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites ${CIPHER}
  ssl-default-server-ciphersuites ${CIPHER}
defaults
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  timeout http-keep-alive 60s
`;

export function startHaproxy(spec: PeerSpec): BenchProcess {
  const sections = spec.hops.map((hop, index) => formatHop(hop, `hop${index}`, spec.files));
  return start(spec.title, spec.core, { folder: spec.files.folder, text: `${BASE}${sections.join("")}` });
}

/** Answers by itself, which costs it less than anything else here could. */
export function startHaproxyBackend(files: PeerFiles, port: number, core: number | null): BenchProcess {
  const fields = REALISTIC_RESPONSE_FIELDS.map(([name, value]) => `hdr ${name} ${quote(value)}`).join(" ");
  const text = `${BASE}
frontend backend
  mode http
  bind 127.0.0.1:${port}
  http-request return status 200 content-type application/json string ${quote(REALISTIC_BODY)} ${fields} if { path_beg /products }
  http-request return status 200 content-type text/plain string ${quote(BACKEND_BODY)}
`;
  return start("backend (HAProxy)", core, { folder: files.folder, text });
}

function formatHop(hop: PeerHop, name: string, files: PeerFiles): string {
  const { carries, tls, middle } = hop;
  const alpn = carries === "tcp" ? "" : ` alpn ${middle === "h2" ? "h2" : "http/1.1"}`;
  const clear = carries === "grpc" ? " proto h2" : "";
  const bind =
    tls === "downstream" ? ` ssl crt ${files.called.bundle} ca-file ${files.caFile} verify required${alpn}` : clear;
  const server =
    tls === "upstream" ? ` ssl crt ${files.caller.bundle} ca-file ${files.caFile} verify required${alpn}` : clear;
  return `
listen ${name}
  mode ${carries === "tcp" ? "tcp" : "http"}
  bind 127.0.0.1:${hop.port}${bind}${carries === "tcp" ? "" : "\n  http-reuse always"}
  server upstream 127.0.0.1:${hop.targetPort}${server}
`;
}

function start(
  title: string,
  core: number | null,
  config: { readonly folder: string; readonly text: string },
): BenchProcess {
  const file = join(config.folder, `${toFileName(title)}.cfg`);
  writeFileSync(file, config.text);
  // -db: one process in the foreground.
  const parameters = ["-db", "-q", "-f", file];
  return new BenchProcess({
    title,
    file: "haproxy",
    parameters,
    cwd: config.folder,
    environment: PEER_ENVIRONMENT,
    core,
  });
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

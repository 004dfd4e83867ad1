import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BenchProcess } from "../bench-process.ts";
import { BACKEND_BODY, REALISTIC_BODY, REALISTIC_RESPONSE_FIELDS } from "../requests.ts";
import {
  CALLED_NAME,
  CIPHER,
  PEER_ENVIRONMENT,
  type PeerFiles,
  type PeerHop,
  type PeerSpec,
  toFileName,
} from "./peer.ts";

/** Debian's name for what `stream` needs; elsewhere it may be built in. */
const STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so";
const KEPT = "keepalive 128; keepalive_requests 1000000000; keepalive_timeout 3600s;";

/** One hop only: nginx between two servers of its own is two processes here. */
export function startNginx(spec: PeerSpec): BenchProcess {
  const [hop] = spec.hops;
  if (hop === undefined || spec.hops.length > 1) throw new Error(`${spec.title}: expected one hop for nginx`);
  const body = hop.carries === "tcp" ? formatStream(hop, spec.files) : formatHttp(spec, formatServer(hop, spec.files));
  return start(spec, body);
}

export function startNginxBackend(files: PeerFiles, port: number, core: number | null): BenchProcess {
  const fields = REALISTIC_RESPONSE_FIELDS.filter(([name]) => name !== "date" && name !== "server")
    .map(([name, value]) => `add_header ${name} '${value}';`)
    .join(" ");
  const spec = { title: "backend (nginx)", core, files };
  const server = `
  server {
    listen 127.0.0.1:${port};
    location / { default_type text/plain; return 200 '${BACKEND_BODY}'; }
    location /products { default_type application/json; ${fields} return 200 '${REALISTIC_BODY}'; }
  }`;
  return start(spec, formatHttp(spec, server));
}

function formatServer(hop: PeerHop, files: PeerFiles): string {
  const { carries, tls, port, targetPort } = hop;
  const module = carries === "grpc" ? "grpc" : "proxy";
  const scheme = carries === "grpc" ? (tls === "upstream" ? "grpcs" : "grpc") : tls === "upstream" ? "https" : "http";
  const http1 = `proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_buffer_size 64k;
      proxy_buffers 16 64k;`;
  return `
  upstream target { server 127.0.0.1:${targetPort}; ${KEPT} }
  server {
    listen 127.0.0.1:${port}${tls === "downstream" ? " ssl" : ""}${carries === "grpc" ? " http2" : ""};
    ${tls === "downstream" ? formatServerTls(files) : ""}
    client_max_body_size 0;
    location / {
      ${module}_pass ${scheme}://target;
      ${module === "proxy" ? http1 : ""}
      ${tls === "upstream" ? formatClientTls(`${module}_ssl`, files) : ""}
    }
  }`;
}

/** Bodies pass through memory, in large pieces: as set up of itself, nginx would put uploads into files first. */
function formatHttp(spec: Pick<PeerSpec, "title" | "files">, server: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${spec.files.folder}/${toFileName(spec.title)}-${kind};`)
    .join(" ");
  return `http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  ${temporary}
${server}
}
`;
}

function formatStream({ port, targetPort, tls }: PeerHop, files: PeerFiles): string {
  return `stream {
  server {
    listen 127.0.0.1:${port}${tls === "downstream" ? " ssl" : ""};
    ${tls === "downstream" ? formatServerTls(files) : ""}
    proxy_pass 127.0.0.1:${targetPort};
    proxy_buffer_size 64k;
    ${tls === "upstream" ? `proxy_ssl on; ${formatClientTls("proxy_ssl", files)}` : ""}
  }
}
`;
}

function formatServerTls(files: PeerFiles): string {
  return `ssl_certificate ${files.called.certificate};
    ssl_certificate_key ${files.called.key};
    ssl_client_certificate ${files.caFile};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${CIPHER};`;
}

function formatClientTls(prefix: "proxy_ssl" | "grpc_ssl", files: PeerFiles): string {
  return `${prefix}_certificate ${files.caller.certificate};
      ${prefix}_certificate_key ${files.caller.key};
      ${prefix}_trusted_certificate ${files.caFile};
      ${prefix}_verify on;
      ${prefix}_name ${CALLED_NAME};
      ${prefix}_protocols TLSv1.3;
      ${prefix}_conf_command Ciphersuites ${CIPHER};`;
}

function start(spec: Pick<PeerSpec, "title" | "core" | "files">, body: string): BenchProcess {
  const { title, core } = spec;
  const { folder } = spec.files;
  const name = toFileName(title);
  const file = join(folder, `${name}.conf`);
  const module = body.startsWith("stream") && existsSync(STREAM_MODULE) ? `load_module ${STREAM_MODULE};\n` : "";
  writeFileSync(
    file,
    `${module}daemon off;
master_process off;
worker_processes 1;
pid ${folder}/${name}.pid;
error_log stderr warn;
events { worker_connections 4096; }
${body}`,
  );
  const parameters = ["-c", file, "-p", folder, "-e", "stderr"];
  return new BenchProcess({ title, file: "nginx", parameters, cwd: folder, environment: PEER_ENVIRONMENT, core });
}

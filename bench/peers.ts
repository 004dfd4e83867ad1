import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTestCa } from "../src/testing/test-ca.ts";
import { BenchProcess } from "./bench-process.ts";
import { BACKEND_BODY, REALISTIC_BODY, REALISTIC_RESPONSE_FIELDS } from "./workload.ts";

/**
 * nginx and HAProxy as proxies and as the backend. One process with one thread each, no logs, connections kept on both
 * sides, TLS 1.3 with AES-128-GCM and P-256 certificates, verified by both ends: what weft's own links use.
 */

export interface PeerFiles {
  readonly folder: string;
  readonly caFile: string;
  /** Of the proxy beside the caller, and of the one beside the called. */
  readonly caller: CertificateFiles;
  readonly called: CertificateFiles;
}

interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
  /** Both in one, for HAProxy. */
  readonly bundle: string;
}

export interface PeerSpec {
  readonly title: string;
  readonly port: number;
  readonly targetPort: number;
  readonly core: number | null;
  readonly files: PeerFiles;
  /** Which TLS it adds: to what it calls, to what calls it, or none. */
  readonly tls: "upstream" | "downstream" | "none";
  /** What is spoken on the TLS leg; nginx knows "h1" only. */
  readonly protocol: "h1" | "h2";
}

const CIPHER = "TLS_AES_128_GCM_SHA256";
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/bin" };
/** The name in the certificate of the called proxy; nginx does not take a chain without a name. */
const CALLED_NAME = "called.bench";

export async function createPeerFiles(folder: string): Promise<PeerFiles> {
  const ca = await createTestCa({ trustDomain: "bench.mesh" });
  const caFile = join(folder, "ca.pem");
  writeFileSync(caFile, ca.trustBundlePem);
  const issue = async (workload: string): Promise<CertificateFiles> => {
    const pair = await ca.issue({ namespace: "default", serviceAccount: workload, workload });
    const [certificate, key, bundle] = [
      join(folder, `${workload}.crt`),
      join(folder, `${workload}.key`),
      join(folder, `${workload}.pem`),
    ];
    writeFileSync(certificate, pair.certificateChainPem);
    writeFileSync(key, pair.keyPem, { mode: 0o600 });
    writeFileSync(bundle, `${pair.certificateChainPem}\n${pair.keyPem}`, { mode: 0o600 });
    return { certificate, key, bundle };
  };
  return { folder, caFile, caller: await issue("caller.bench"), called: await issue(CALLED_NAME) };
}

export function startHaproxy(spec: PeerSpec): BenchProcess {
  const { files, tls, protocol, port, targetPort } = spec;
  const alpn = protocol === "h2" ? "h2" : "http/1.1";
  const bindTls = `ssl crt ${files.called.bundle} ca-file ${files.caFile} verify required alpn ${alpn}`;
  const serverTls = `ssl crt ${files.caller.bundle} ca-file ${files.caFile} verify required alpn ${alpn}`;
  return startHaproxyWith(spec.title, spec.core, {
    folder: files.folder,
    text: `${HAPROXY_BASE}
listen proxy
  bind 127.0.0.1:${port}${tls === "downstream" ? ` ${bindTls}` : ""}
  http-reuse always
  server upstream 127.0.0.1:${targetPort}${tls === "upstream" ? ` ${serverTls}` : ""}
`,
  });
}

export function startHaproxyBackend(files: PeerFiles, port: number, core: number | null): BenchProcess {
  const fields = REALISTIC_RESPONSE_FIELDS.map(([name, value]) => `hdr ${name} ${quoteForHaproxy(value)}`).join(" ");
  const text = `${HAPROXY_BASE}
frontend backend
  bind 127.0.0.1:${port}
  http-request return status 200 content-type application/json string ${quoteForHaproxy(REALISTIC_BODY)} ${fields} if { path_beg /products }
  http-request return status 200 content-type text/plain string ${quoteForHaproxy(BACKEND_BODY)}
`;
  return startHaproxyWith("backend (HAProxy)", core, { folder: files.folder, text });
}

const HAPROXY_BASE = `global
  nbthread 1
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites ${CIPHER}
  ssl-default-server-ciphersuites ${CIPHER}
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  timeout http-keep-alive 60s
`;

function startHaproxyWith(
  title: string,
  core: number | null,
  config: { readonly folder: string; readonly text: string },
): BenchProcess {
  const file = join(config.folder, `${title.replace(/\W+/g, "-")}.cfg`);
  writeFileSync(file, config.text);
  // -db: one process in the foreground.
  return new BenchProcess({
    title,
    file: "haproxy",
    parameters: ["-db", "-q", "-f", file],
    cwd: config.folder,
    environment: ENVIRONMENT,
    core,
  });
}

function quoteForHaproxy(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

export function startNginx(spec: PeerSpec): BenchProcess {
  const { files, tls, port, targetPort } = spec;
  const server = `
  upstream target { server 127.0.0.1:${targetPort}; keepalive 128; keepalive_requests 1000000000; keepalive_timeout 3600s; }
  server {
    listen 127.0.0.1:${port}${tls === "downstream" ? " ssl" : ""};
    ${tls === "downstream" ? nginxServerTls(files) : ""}
    location / {
      proxy_pass ${tls === "upstream" ? "https" : "http"}://target;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      ${tls === "upstream" ? nginxClientTls(files) : ""}
    }
  }`;
  return startNginxWith(spec.title, spec.core, { folder: files.folder, server });
}

export function startNginxBackend(files: PeerFiles, port: number, core: number | null): BenchProcess {
  const fields = REALISTIC_RESPONSE_FIELDS.filter(([name]) => name !== "date" && name !== "server")
    .map(([name, value]) => `add_header ${name} '${value}';`)
    .join(" ");
  const server = `
  server {
    listen 127.0.0.1:${port};
    location / { default_type text/plain; return 200 '${BACKEND_BODY}'; }
    location /products { default_type application/json; ${fields} return 200 '${REALISTIC_BODY}'; }
  }`;
  return startNginxWith("backend (nginx)", core, { folder: files.folder, server });
}

function nginxServerTls(files: PeerFiles): string {
  return `ssl_certificate ${files.called.certificate};
    ssl_certificate_key ${files.called.key};
    ssl_client_certificate ${files.caFile};
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${CIPHER};`;
}

function nginxClientTls(files: PeerFiles): string {
  return `proxy_ssl_certificate ${files.caller.certificate};
      proxy_ssl_certificate_key ${files.caller.key};
      proxy_ssl_trusted_certificate ${files.caFile};
      proxy_ssl_verify on;
      proxy_ssl_name ${CALLED_NAME};
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_conf_command Ciphersuites ${CIPHER};`;
}

function startNginxWith(
  title: string,
  core: number | null,
  config: { readonly folder: string; readonly server: string },
): BenchProcess {
  const name = title.replace(/\W+/g, "-");
  const file = join(config.folder, `${name}.conf`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${config.folder}/${name}-${kind};`)
    .join(" ");
  writeFileSync(
    file,
    `daemon off;
master_process off;
worker_processes 1;
pid ${config.folder}/${name}.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  ${temporary}
${config.server}
}
`,
  );
  const parameters = ["-c", file, "-p", config.folder, "-e", "stderr"];
  return new BenchProcess({ title, file: "nginx", parameters, cwd: config.folder, environment: ENVIRONMENT, core });
}

import path from "node:path";
import { listImports } from "./code-text.ts";
import { isTestCode, type RepositoryFile } from "./repository.ts";

/**
 * Which folders of src/ a folder may import from; its own is always allowed. `*` = all. The proxy and the control plane
 * never meet: all they share is below both, and xDS is all they say to each other.
 */
export const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  time: ["lib"],
  random: ["lib"],
  net: ["lib"],
  observe: ["lib", "net", "time"],
  resources: ["lib"],
  identity: ["lib", "random", "time", "xds"],
  transport: ["identity", "lib", "random", "time"],
  xds: ["identity", "lib", "proxy-node", "random", "time", "transport", "version"],
  store: ["lib", "random", "resources", "time"],
  proxy: ["identity", "lib", "net", "observe", "proxy-node", "random", "time", "transport", "version", "xds"],
  apiserver: ["control", "lib", "net", "random", "resources", "store", "time", "version"],
  control: [
    ...["apiserver", "control-bootstrap", "identity", "lib", "net", "observe", "proxy-node", "random", "resources"],
    ...["store", "time", "transport", "version", "xds"],
  ],
  capture: [],
  runner: [
    ...[
      "apiserver",
      "capture",
      "cli",
      "control",
      "control-bootstrap",
      "identity",
      "lib",
      "net",
      "observe",
      "proxy-node",
    ],
    ...["random", "resources", "store", "time", "version"],
  ],
  cli: [
    ...["apiserver", "control", "identity", "lib", "net", "observe", "proxy-node", "random", "resources", "runner"],
    ...["store", "time", "version"],
  ],
  bin: ["*"],
  "proxy-node": [],
  "control-bootstrap": ["proxy-node"],
  version: [],
};

/** Single files where a folder reaches further than its list, each with what it is for. */
export const ALLOWED_FILES: Readonly<Record<string, readonly string[]>> = {
  // Times that users write.
  "src/resources/traffic-policy-requests.ts": ["src/time/wall-time.ts"],
  "src/resources/revocation.ts": [
    "src/identity/revocation-list.ts",
    "src/identity/spiffe-id.ts",
    "src/time/wall-time.ts",
  ],
  "src/resources/identity-binding.ts": ["src/identity/spiffe-id.ts"],
  "src/resources/trust-bundle.ts": ["src/identity/spiffe-id.ts"],
  "src/resources/user.ts": ["src/time/wall-time.ts"],
  // The failure table is data; `weft check` explains its codes.
  "src/cli/check/traffic-checks.ts": ["src/proxy/failures.ts"],
  // Access is decided in one place: `weft authz` asks the filter itself.
  "src/cli/authz/access-world.ts": ["src/proxy/filters/judge-request.ts", "src/xds/names.ts"],
};

/** Modules that open sockets, and who in a proxy process may. */
const SOCKET_MODULES: ReadonlySet<string> = new Set(
  ["net", "tls", "dgram", "http", "https", "http2"].flatMap((name) => [name, `node:${name}`]),
);
const SOCKET_FOLDERS: Readonly<Record<string, ReadonlySet<string>>> = {
  transport: new Set(["node:dgram", "node:net", "node:tls"]),
  // The stream to the control plane is gRPC.
  xds: new Set(["node:http2", "node:tls"]),
  proxy: new Set(),
  net: new Set(),
  observe: new Set(),
  identity: new Set(),
  lib: new Set(),
};

/** What breaks the edges, one line each. */
export function checkImportEdges(files: readonly RepositoryFile[]): string[] {
  const problems: string[] = [];
  for (const file of files) {
    if (!file.path.startsWith("src/") || isTestCode(file.path)) continue;
    const folder = topOf(file.path);
    for (const imported of listImports(file.text)) {
      const problem = imported.startsWith(".")
        ? checkOwn(file.path, folder, imported)
        : checkPlatform(file.path, folder, imported);
      if (problem !== null) problems.push(problem);
    }
  }
  return problems;
}

function checkOwn(file: string, folder: string, imported: string): string | null {
  const target = path.posix.join(path.posix.dirname(file), imported);
  if (!target.startsWith("src/")) return `${file} imports ${target}, which does not ship`;
  if (isTestCode(target)) return `${file} imports ${target}, which is for tests only`;
  const allowed = ALLOWED_IMPORTS[folder];
  if (allowed === undefined) return `${file}: the folder ${folder} has no line in import-edges.ts`;
  const targetFolder = topOf(target);
  if (targetFolder === folder || allowed.includes("*") || allowed.includes(targetFolder)) return null;
  if (ALLOWED_FILES[file]?.includes(target) === true) return null;
  return `${file} imports ${target}: ${folder} may not import ${targetFolder}`;
}

function checkPlatform(file: string, folder: string, imported: string): string | null {
  const allowed = SOCKET_FOLDERS[folder];
  if (allowed === undefined || !SOCKET_MODULES.has(imported) || allowed.has(imported)) return null;
  return `${file} imports ${imported}: sockets of a proxy are opened by src/transport only`;
}

function topOf(file: string): string {
  return (file.split("/")[1] ?? "").replace(/\.ts$/, "");
}

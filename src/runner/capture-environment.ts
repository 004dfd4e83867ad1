import { fileURLToPath } from "node:url";
import type { UdpPort } from "../proxy-node.ts";
import type { Environment } from "./environment.ts";

export interface CaptureSettings {
  /** The sidecar's outbound listener. */
  readonly outbound: { readonly address: string; readonly port: number };
  /** Where the sidecar takes what is for UDP ports of Services. */
  readonly udp: readonly UdpPort[];
  /** JSON file `{"names": […]}` that the sidecar keeps: the names that are captured. */
  readonly namesFile: string;
}

const PRELOAD = fileURLToPath(new URL("../capture/preload.cjs", import.meta.url));
/** The app's calls to its own machine are none of the mesh's business. */
const LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1"];

/**
 * What an app's environment needs so that its calls to mesh names go through its sidecar: a preload for Node, and
 * `http_proxy` for everything else. What the user had in NODE_OPTIONS and no_proxy stays.
 */
export function createCaptureEnvironment(
  environment: Environment,
  settings: CaptureSettings,
  preload: string = PRELOAD,
): Record<string, string> {
  const { address, port } = settings.outbound;
  const proxy = `http://${address}:${port}`;
  const nodeOptions = [environment["NODE_OPTIONS"] ?? "", `--require ${quoteNodeOption(preload)}`];
  const existing = environment["no_proxy"] ?? environment["NO_PROXY"] ?? "";
  const written = existing.split(",").map((host) => host.trim());
  const noProxy = [...new Set([...LOCAL_HOSTS, ...written.filter((host) => host !== "")])].join(",");
  return {
    NODE_OPTIONS: nodeOptions.filter((option) => option !== "").join(" "),
    http_proxy: proxy,
    HTTP_PROXY: proxy,
    no_proxy: noProxy,
    NO_PROXY: noProxy,
    WEFT_NAMES: settings.namesFile,
    WEFT_OUTBOUND: `${address}:${port}`,
    ...createUdpEnvironment(settings.udp),
  };
}

/**
 * Where to send datagrams for a Service: `<NAME>_SERVICE_HOST` and `_PORT`, the names that Kubernetes gives
 * (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables), and all of them for the preload.
 * Of several UDP ports of a Service the variables have the first.
 */
export function createUdpEnvironment(ports: readonly UdpPort[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { address, port, service } of ports) {
    const name = service.slice(service.indexOf("/") + 1);
    const prefix = name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
    environment[`${prefix}_SERVICE_HOST`] ??= address;
    environment[`${prefix}_SERVICE_PORT`] ??= String(port);
  }
  if (ports.length > 0) {
    const entries = ports.map(
      ({ address, port, service, servicePort }) => `${service}:${servicePort}=${address}:${port}`,
    );
    environment["WEFT_UDP"] = entries.join(",");
  }
  return environment;
}

/** NODE_OPTIONS is split at spaces outside double quotes; inside them a backslash escapes. */
function quoteNodeOption(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

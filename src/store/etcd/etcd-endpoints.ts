import { WeftError } from "../../lib/weft-error.ts";

export interface EtcdEndpoint {
  /** As it is shown: `https://host:port`. */
  readonly name: string;
  /** `host:port`, for gRPC. */
  readonly target: string;
  /** Without brackets, for the name in its certificate. */
  readonly host: string;
  readonly secure: boolean;
}

/** Throws WEFT_STORE_INVALID for an empty list, something that is no endpoint, or plain ones beside encrypted ones. */
export function parseEtcdEndpoints(endpoints: readonly string[]): readonly EtcdEndpoint[] {
  if (endpoints.length === 0) throw invalidError("an empty list");
  const parsed = endpoints.map(parseEndpoint);
  if (parsed.some((endpoint) => endpoint.secure !== parsed[0]?.secure)) {
    throw invalidError(`"${endpoints.join(",")}", some with https and some without`);
  }
  return parsed;
}

function parseEndpoint(text: string): EtcdEndpoint {
  const match = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^/:@\s[\]]+):(\d{1,5})\/?$/.exec(text);
  const [, scheme = "http", host = "", port = ""] = match ?? [];
  if (match === null || Number(port) < 1 || Number(port) > 65_535) throw invalidError(`"${text}"`);
  return {
    name: `${scheme}://${host}:${port}`,
    target: `${host}:${port}`,
    host: host.replace(/^\[(.*)\]$/, "$1"),
    secure: scheme === "https",
  };
}

function invalidError(found: string): WeftError {
  return new WeftError(
    "WEFT_STORE_INVALID",
    `Cannot use etcd: found ${found}; expected endpoints such as https://10.0.0.1:2379, all with https or none`,
  );
}

import { WeftError } from "../lib/weft-error.ts";
import type { BoundAddress } from "../proxy-node.ts";
import type { Random } from "../random/random.ts";
import { WEFT_VERSION } from "../version.ts";
import { formatHostPort } from "./replicas/mesh-views.ts";
import type { HostPort, Replica } from "./replicas/replica-directory.ts";

/** Where it listens for proxies, and as what others are told to reach it. */
interface Reach {
  readonly advertise?: HostPort | null;
  readonly xds: BoundAddress;
}

/** How this control plane presents itself to the others of its mesh. */
export function createReplica(random: Random, xds: HostPort, startedWallMs: number): Replica {
  const id = Buffer.from(random.bytes(9)).toString("base64url");
  return { id, name: formatHostPort(xds), xds, weftVersion: WEFT_VERSION, startedWallMs };
}

/** Where others reach it. */
export function toAdvertised({ advertise, xds }: Reach, xdsPort: number): HostPort {
  const { host, port } = advertise ?? { host: xds.address, port: 0 };
  return { host, port: port === 0 ? xdsPort : port };
}

/** Others would connect to themselves. */
export function assertReachable({ advertise, xds }: Reach): void {
  if ((advertise ?? null) !== null || !["0.0.0.0", "::"].includes(xds.address)) return;
  throw new WeftError(
    "WEFT_CONTROL_ADVERTISE",
    `Cannot share a mesh: found that proxies are listened for on all addresses (${xds.address}); expected to know which of them others can reach`,
    { hint: "Say it: --advertise <host>, or listen on one address: --xds <address>:<port>" },
  );
}

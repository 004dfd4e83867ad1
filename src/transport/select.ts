import type { Clock } from "../time/clock.ts";
import { findBun } from "./bun-api.ts";
import type { Transport } from "./transport.ts";

/** The transport of this runtime: Bun's sockets on Bun, Node's elsewhere. Only the one that is used gets loaded. */
export async function selectTransport(clock: Clock): Promise<Transport> {
  const bun = findBun();
  if (bun !== null) {
    const { BunTransport } = await import("./bun.ts");
    return new BunTransport(bun, clock);
  }
  const { NodeTransport } = await import("./node.ts");
  return new NodeTransport(clock);
}

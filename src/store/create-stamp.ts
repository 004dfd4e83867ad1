import type { Random } from "../random/random.ts";
import type { Clock } from "../time/clock.ts";
import { formatWallTime } from "../time/wall-time.ts";
import type { Stamp } from "./plan-write.ts";

export interface StampSources {
  readonly clock: Clock;
  readonly random: Random;
}

export function createStamp({ clock, random }: StampSources, version: number): Stamp {
  return {
    version,
    uid: formatUuid(random.bytes(16)),
    // Whole seconds, as Kubernetes writes it.
    creationTimestamp: formatWallTime(Math.floor(clock.wallMs() / 1000) * 1000).replace(".000Z", "Z"),
  };
}

/** RFC 9562, version 4. */
export function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

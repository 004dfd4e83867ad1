import { randomBytes } from "node:crypto";
import type { Random } from "./random.ts";

/** The machine's randomness: `bytes` from the operating system's generator, the rest from the fast one. */
export const systemRandom: Random = {
  next(): number {
    return Math.random();
  },
  below(bound: number): number {
    return Math.floor(Math.random() * bound);
  },
  bytes(count: number): Uint8Array {
    return randomBytes(count);
  },
};

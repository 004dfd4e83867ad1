import { randomBytes, randomFillSync } from "node:crypto";
import type { Random } from "./random.ts";

/** A call of the operating system's generator costs microseconds, whatever it is asked for, so small wishes share one. */
const POOL_BYTES = 4096;
const MAX_FROM_POOL = 256;

const pool: Buffer = Buffer.allocUnsafeSlow(POOL_BYTES);
/** Bytes before this are given out. */
let position: number = POOL_BYTES;

/** The machine's randomness: `bytes` from the operating system's generator, the rest from the fast one. */
export const systemRandom: Random = {
  next(): number {
    return Math.random();
  },
  below(bound: number): number {
    return Math.floor(Math.random() * bound);
  },
  bytes(count: number): Uint8Array {
    if (count > MAX_FROM_POOL) return randomBytes(count);
    if (position + count > POOL_BYTES) {
      randomFillSync(pool);
      position = 0;
    }
    const end = position + count;
    const bytes = new Uint8Array(count);
    // What was given out is wiped, so that no secret stays behind in here.
    for (let index = 0; position < end; index += 1, position += 1) {
      bytes[index] = pool[position] ?? 0;
      pool[position] = 0;
    }
    return bytes;
  },
};

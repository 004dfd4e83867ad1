import { writeSync } from "node:fs";
import { createSeededRandom } from "../random/seeded-random.ts";
import { systemRandom } from "../random/system-random.ts";
import { systemClock } from "../time/system-clock.ts";
import { openLmdbStore } from "./lmdb.ts";
import { toResourceKey } from "./store-key.ts";
import { createSplit } from "./store-samples.ts";

/**
 * The process that `lmdb.test.ts` kills: writes to the store at argv[2] for ever and prints a line for each write as
 * soon as it is acknowledged: `<version> <name> <weight>`, weight "-" for a deletion. argv[3] seeds the choice.
 */
const store = await openLmdbStore({ path: process.argv[2] ?? "", clock: systemClock, random: systemRandom });
const random = createSeededRandom(Number(process.argv[3]));

async function write(id: number): Promise<never> {
  for (;;) {
    const name = `r${random.below(20)}`;
    const weight = random.below(1_000_000);
    const isDeletion = random.below(5) === 0;
    const split = createSplit(name, weight);
    const outcome = isDeletion ? await store.delete(toResourceKey(split)) : await store.put(split);
    if (outcome === null) continue;
    // One write of a short line to a pipe is whole or absent, also when the process dies.
    writeSync(1, `${outcome.metadata.resourceVersion} ${name} ${isDeletion ? "-" : weight} ${id}\n`);
  }
}

await Promise.all([write(1), write(2), write(3), write(4)]);

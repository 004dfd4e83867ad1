import { runBalancing } from "./balancing-run.ts";
import { ALIKE, MIXED, ONE_BROKEN, ONE_SLOW, STRATEGIES } from "./balancing-scenarios.ts";

const LOADS = [0.5, 0.75, 0.9, 1, 1.1];
const SECONDS = 30;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
// Prints how the strategies of load balancing compare: the real ones, against modelled instances in simulated time.
const columns = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i === 0 ? cell.padEnd(14) : cell.padStart(12))).join("");
for (const scenario of [ALIKE, ONE_SLOW, MIXED, ONE_BROKEN]) {
  print(`\n${scenario.name}: p99 ms / errors %, at this share of what the instances can do together`);
  print(columns(["", ...LOADS.map((load) => `${Math.round(load * 100)} %`), "to the 1st"]));
  for (const strategy of STRATEGIES) {
    const results = LOADS.map((load) =>
      runBalancing({ strategy, scenario, load, seconds: SECONDS, seed: 1, callers: 5 }),
    );
    const cells = results.map(({ p99Ms, errorRatio }) => `${p99Ms.toFixed(0)} / ${(errorRatio * 100).toFixed(1)}`);
    const share = results[1]?.shares[0] ?? 0;
    print(columns([strategy, ...cells, `${(share * 100).toFixed(1)} %`]));
  }
}

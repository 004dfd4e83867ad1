import { env } from "node:process";

/**
 * How much is generated: `usual` frames or steps, or as many as WEFT_FUZZ_RUNS says (a long run by hand: 1000000). The
 * seed is fixed unless WEFT_FUZZ_SEED gives another one; a failure names it.
 */
export function fuzzRuns(usual: number): number {
  const wanted = Number(env["WEFT_FUZZ_RUNS"] ?? "0");
  return wanted > 0 ? wanted : usual;
}

export function fuzzSeed(): number {
  return Number(env["WEFT_FUZZ_SEED"] ?? "20261123");
}

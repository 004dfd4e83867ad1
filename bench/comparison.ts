import type { Leg } from "./legs.ts";
import type { Reading } from "./readings.ts";
import { type Spread, summarise } from "./statistics.ts";

/** A leg with its readings, one a round; none when it failed before. */
export interface MeasuredLeg {
  readonly leg: Pick<Leg, "title" | "kind" | "runtime">;
  readonly readings: readonly Reading[];
  /** Why it was not measured, or what went wrong; null when all is well. */
  readonly failure: string | null;
}

/** What weft has to reach; null where there is no aim. */
export interface Aim {
  readonly bun: number;
  readonly node: number;
}

/**
 * How a workload is judged. "throughput": by the rate, or per core where that tells more. "rate": by the rate only, as
 * one connection waits and fills no core. "added": by the milliseconds added at the 99th percentile.
 */
export type Judge = "throughput" | "rate" | "added";

export interface Verdict {
  readonly mustReach: number;
  readonly found: number | null;
  /**
   * "rate": requests per second to the best peer's. "per core": requests per second of the proxies' CPU time, where the core
   * of load and backend was full or the proxies' core was not theirs alone, so that the rate says something else.
   */
  readonly basis: "rate" | "per core" | "added milliseconds" | "megabytes" | "failed";
  readonly isReached: boolean;
}

export interface Row {
  readonly leg: string;
  readonly kind: Leg["kind"];
  readonly runtime: string | null;
  readonly failure: string | null;
  readonly errors: number;
  /** Null with no reading. */
  readonly perSecond: Spread | null;
  /** Round by round to the peer with the highest rate; above 1 is better. */
  readonly rateRatio: Spread | null;
  readonly cpuMicros: Spread | null;
  /** Round by round, the CPU time of the peer that needs least to this leg's; above 1 is better. */
  readonly perCoreRatio: Spread | null;
  readonly coreRatio: Spread | null;
  readonly loadCoreRatio: Spread | null;
  readonly otherWorkRatio: Spread | null;
  readonly medianMicros: Spread | null;
  readonly p99Micros: Spread | null;
  /** Round by round, what the proxies add to the same load without one. */
  readonly addedMedianMicros: Spread | null;
  readonly addedP99Micros: Spread | null;
  readonly residentBytes: Spread | null;
  readonly verdict: Verdict | null;
}

const FULL_CORE_RATIO = 0.9;
/** With more of their core gone to others, a rate says how the kernel shared it out. */
const OTHER_WORK_RATIO = 0.1;

export function compareLegs(measured: readonly MeasuredLeg[], aim: Aim | null, judge: Judge): Row[] {
  const sound = measured.filter(({ failure }) => failure === null);
  const peers = sound.filter(({ leg }) => leg.kind === "peer");
  const fastest = pickBest(peers, ({ perSecond }) => -perSecond);
  const cheapest = pickBest(peers, ({ cpuMicros }) => cpuMicros);
  const direct = sound.find(({ leg }) => leg.kind === "direct")?.readings ?? [];
  return measured.map((one) => {
    const { leg, readings, failure } = one;
    const spread = (of: (reading: Reading) => number | null): Spread | null =>
      summarise(readings.map(of).filter((value) => value !== null && !Number.isNaN(value)) as number[]);
    const against = (base: readonly Reading[], of: (mine: Reading, other: Reading) => number): Spread | null =>
      summarise(readings.flatMap((reading, round) => (base[round] === undefined ? [] : [of(reading, base[round])])));
    const isProxy = leg.kind !== "direct";
    const row = {
      leg: leg.title,
      kind: leg.kind,
      runtime: leg.runtime?.id ?? null,
      failure,
      errors: readings.reduce((total, reading) => total + reading.errors, 0),
      perSecond: spread(({ perSecond }) => perSecond),
      rateRatio: isProxy ? against(fastest, (mine, other) => mine.perSecond / other.perSecond) : null,
      cpuMicros: isProxy ? spread(({ cpuMicros }) => cpuMicros) : null,
      perCoreRatio: isProxy ? against(cheapest, (mine, other) => other.cpuMicros / mine.cpuMicros) : null,
      coreRatio: isProxy ? spread(({ coreRatio }) => coreRatio) : null,
      loadCoreRatio: spread(({ loadCoreRatio }) => loadCoreRatio),
      otherWorkRatio: spread(({ otherWorkRatio }) => otherWorkRatio),
      medianMicros: spread(({ medianMicros }) => medianMicros),
      p99Micros: spread(({ p99Micros }) => p99Micros),
      addedMedianMicros: isProxy ? against(direct, (mine, other) => mine.medianMicros - other.medianMicros) : null,
      addedP99Micros: isProxy ? against(direct, (mine, other) => mine.p99Micros - other.p99Micros) : null,
      residentBytes: isProxy ? spread(({ residentBytes }) => residentBytes) : null,
    };
    const mustReach = aim === null || leg.runtime === null ? null : aim[leg.runtime.kind];
    return {
      ...row,
      verdict:
        mustReach === null ? null : judge === "added" ? judgeAdded(row, mustReach) : judgeRatio(row, mustReach, judge),
    };
  });
}

type Unjudged = Omit<Row, "verdict">;

function judgeRatio(row: Unjudged, mustReach: number, judge: "throughput" | "rate"): Verdict {
  const isLoadFull = (row.loadCoreRatio?.median ?? 0) >= FULL_CORE_RATIO;
  const isShared = (row.otherWorkRatio?.median ?? 0) >= OTHER_WORK_RATIO;
  const isPerCore = judge === "throughput" && (isLoadFull || isShared);
  const basis = isPerCore ? "per core" : "rate";
  const found = (isPerCore ? row.perCoreRatio : row.rateRatio)?.median ?? null;
  if (row.failure !== null || found === null) return { mustReach, found: null, basis: "failed", isReached: false };
  return { mustReach, found, basis, isReached: found >= mustReach };
}

function judgeAdded(row: Unjudged, mustReach: number): Verdict {
  const micros = row.addedP99Micros?.median ?? null;
  if (row.failure !== null || micros === null) return { mustReach, found: null, basis: "failed", isReached: false };
  return { mustReach, found: micros / 1000, basis: "added milliseconds", isReached: micros / 1000 <= mustReach };
}

/** The readings of the peer whose median of `cost` is least. */
function pickBest(peers: readonly MeasuredLeg[], cost: (reading: Reading) => number): readonly Reading[] {
  const median = ({ readings }: MeasuredLeg): number =>
    summarise(readings.map(cost))?.median ?? Number.POSITIVE_INFINITY;
  return peers.toSorted((a, b) => median(a) - median(b))[0]?.readings ?? [];
}

/** What is known of a worker when a connection comes. */
export interface WorkerLoad {
  /** Share of the last interval in which it used its core, 0..1. */
  readonly busyRatio: number;
  /** With those handed to it since it reported. */
  readonly openConnections: number;
  /** Connections handed to it since it reported: they will cost something that the ratio does not show yet. */
  readonly handedSince: number;
}

/** Workers that differ by less count as equally busy, and the number of connections decides. */
const SAME_BUSY_RATIO = 0.1;
/** What a new connection is taken to cost until the worker reports, as a share of a core. */
const SHARE_OF_NEW = 0.02;

/**
 * The worker that a new connection goes to, as an index; -1 when there is none. The least busy one: a connection that sits
 * idle costs nothing, so counting connections alone would send work to a worker with few connections that are all busy.
 * Among those about as busy, the one with the fewest connections; among these, the first.
 */
export function pickLeastLoaded(workers: readonly WorkerLoad[]): number {
  const expect = (worker: WorkerLoad): number => worker.busyRatio + worker.handedSince * SHARE_OF_NEW;
  let least = Infinity;
  for (const worker of workers) least = Math.min(least, expect(worker));
  let best = -1;
  let fewest = Infinity;
  for (const [index, worker] of workers.entries()) {
    if (expect(worker) > least + SAME_BUSY_RATIO || worker.openConnections >= fewest) continue;
    best = index;
    fewest = worker.openConnections;
  }
  return best;
}

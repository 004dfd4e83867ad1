import { estimateQuantileMs, LATENCY_BUCKET_COUNT } from "../../observe/latency-buckets.ts";
import { type StatRow, TRAFFIC_KEPT_MS } from "../views.ts";

export interface TrafficEdge {
  readonly direction: "inbound" | "outbound";
  /** "<namespace>/<service account>", "" when unknown. */
  readonly source: string;
  readonly destination: string;
  readonly version: string;
  readonly protocol: "http" | "grpc" | "tcp" | "udp";
}

export interface TrafficCounts {
  readonly success: number;
  readonly failure: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Per bucket of observe/latency-buckets.ts. */
  readonly latency: ArrayLike<number>;
  readonly failureCodes: Iterable<readonly [code: string, count: number]>;
}

/** Plain data, fit for JSON. */
export interface TrafficSums {
  /** Over how long; less than was asked for when counting began later. */
  readonly spanMs: number;
  readonly edges: readonly { readonly edge: TrafficEdge; readonly counts: TrafficCounts }[];
}

export interface TrafficRingOptions {
  /** How far back figures go. Default 10 minutes. */
  readonly keepMs?: number;
  /** Distinct edges; what comes later is counted on one edge named "other" per direction. Default 5,000. */
  readonly maxEdges?: number;
  /** Edges times seconds kept, about 0.5 KiB each. Default 50,000; past it the oldest seconds go first. */
  readonly maxCells?: number;
  /** Called once for each limit, when it is first reached. */
  readonly onLimit: (message: string) => void;
}

const SLOT_MS = 1000;
const DEFAULT_MAX_EDGES = 5_000;
const DEFAULT_MAX_CELLS = 50_000;
const MAX_FAILURE_CODES = 128;

/** Where more edges are counted than may be told apart. */
export const OTHER_EDGE = "other";

/** Counts of one edge in one second, or in a window. */
class Cell implements TrafficCounts {
  success: number = 0;
  failure: number = 0;
  requestBytes: number = 0;
  responseBytes: number = 0;
  readonly latency: Float64Array = new Float64Array(LATENCY_BUCKET_COUNT);
  readonly failureCodes: Map<string, number> = new Map();

  add(counts: TrafficCounts): void {
    this.success += counts.success;
    this.failure += counts.failure;
    this.requestBytes += counts.requestBytes;
    this.responseBytes += counts.responseBytes;
    for (let i = 0; i < this.latency.length; i += 1)
      this.latency[i] = (this.latency[i] ?? 0) + (counts.latency[i] ?? 0);
    for (const [code, count] of counts.failureCodes) {
      const name = this.failureCodes.has(code) || this.failureCodes.size < MAX_FAILURE_CODES ? code : OTHER_EDGE;
      this.failureCodes.set(name, (this.failureCodes.get(name) ?? 0) + count);
    }
  }

  toCounts(): TrafficCounts {
    return { ...this, latency: [...this.latency], failureCodes: [...this.failureCodes] };
  }
}

/** One row per edge of any of the sums, ordered by its labels. */
export function toStatRows(parts: readonly TrafficSums[]): StatRow[] {
  const sums = new Map<string, { readonly edge: TrafficEdge; readonly sum: Cell }>();
  for (const { edges } of parts) {
    for (const { edge, counts } of edges) {
      const key = formatEdgeKey(edge);
      let entry = sums.get(key);
      if (entry === undefined) {
        entry = { edge, sum: new Cell() };
        sums.set(key, entry);
      }
      entry.sum.add(counts);
    }
  }
  // One that began later counted less; the mesh as a whole was watched as long as by the one that began first.
  const spanMs = Math.max(SLOT_MS, ...parts.map((part) => part.spanMs));
  return [...sums.values()].map(({ edge, sum }) => toRow(edge, sum, spanMs)).toSorted(compareRows);
}

/** One second: cells by edge. */
interface Slot {
  readonly number: number;
  readonly cells: Map<TrafficEdge, Cell>;
}

/**
 * The mesh's traffic of the last minutes in slots of one second, summed over all proxies. Bounded: in time, in edges and
 * in cells. Times are of the monotonic clock.
 */
export class TrafficRing {
  readonly #options: TrafficRingOptions;
  /** What came before was not counted, or had to go. */
  #sinceMs: number;
  readonly #edges: Map<string, TrafficEdge> = new Map();
  /** Oldest first; seconds without traffic have none. */
  readonly #slots: Slot[] = [];
  #cells: number = 0;
  readonly #limitsReached: Set<string> = new Set();

  constructor(options: TrafficRingOptions, nowMs: number) {
    this.#options = options;
    this.#sinceMs = nowMs;
  }

  add(labels: TrafficEdge, counts: TrafficCounts, nowMs: number): void {
    const edge = this.#findEdge(labels);
    const slot = this.#openSlot(Math.floor(nowMs / SLOT_MS));
    let cell = slot.cells.get(edge);
    if (cell === undefined) {
      cell = new Cell();
      slot.cells.set(edge, cell);
      this.#cells += 1;
      this.#dropOverflow();
    }
    cell.add(counts);
  }

  /** One row per edge with traffic in the last `windowMs`, ordered by its labels. */
  stat(windowMs: number, nowMs: number): StatRow[] {
    return toStatRows([this.sums(windowMs, nowMs)]);
  }

  /** The counts behind `stat`, which can be added to those of other rings. */
  sums(windowMs: number, nowMs: number): TrafficSums {
    const first = Math.floor((nowMs - windowMs) / SLOT_MS) + 1;
    const sums = new Map<TrafficEdge, Cell>();
    for (const slot of this.#slots) {
      if (slot.number < first) continue;
      for (const [edge, cell] of slot.cells) {
        const sum = sums.get(edge) ?? new Cell();
        sum.add(cell);
        sums.set(edge, sum);
      }
    }
    const spanMs = Math.max(
      SLOT_MS,
      Math.min(windowMs, this.#options.keepMs ?? TRAFFIC_KEPT_MS, nowMs - this.#sinceMs),
    );
    return { spanMs, edges: [...sums].map(([edge, sum]) => ({ edge, counts: sum.toCounts() })) };
  }

  /** Forgets what is too old, and edges that no slot has any more. Call it every few seconds. */
  prune(nowMs: number): void {
    const first = Math.floor((nowMs - (this.#options.keepMs ?? TRAFFIC_KEPT_MS)) / SLOT_MS) + 1;
    const before = this.#slots.length;
    while (this.#slots[0] !== undefined && this.#slots[0].number < first) this.#dropOldest();
    if (this.#slots.length === before) return;
    const used = new Set(this.#slots.flatMap((slot) => [...slot.cells.keys()]));
    for (const [key, edge] of this.#edges) if (!used.has(edge)) this.#edges.delete(key);
  }

  #findEdge(labels: TrafficEdge): TrafficEdge {
    const { direction, source, destination, version, protocol } = labels;
    const key = formatEdgeKey(labels);
    const known = this.#edges.get(key);
    if (known !== undefined) return known;
    const maxEdges = this.#options.maxEdges ?? DEFAULT_MAX_EDGES;
    if (this.#edges.size >= maxEdges && destination !== OTHER_EDGE) {
      this.#noteLimit(
        `found more than ${maxEdges} edges (source, destination, version); the rest is counted as "${OTHER_EDGE}"`,
      );
      return this.#findEdge({ direction, source: "", destination: OTHER_EDGE, version: "", protocol });
    }
    const edge: TrafficEdge = { direction, source, destination, version, protocol };
    this.#edges.set(key, edge);
    return edge;
  }

  #openSlot(number: number): Slot {
    const last = this.#slots.at(-1);
    // A monotonic clock does not go back; reports of one turn of the event loop share a slot.
    if (last !== undefined && last.number >= number) return last;
    const slot: Slot = { number, cells: new Map() };
    this.#slots.push(slot);
    return slot;
  }

  #dropOverflow(): void {
    const maxCells = this.#options.maxCells ?? DEFAULT_MAX_CELLS;
    while (this.#cells > maxCells && this.#slots.length > 1) {
      this.#noteLimit(`found more than ${maxCells} figures; traffic is kept for a shorter time than asked for`);
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    const slot = this.#slots.shift();
    if (slot === undefined) return;
    this.#cells -= slot.cells.size;
    this.#sinceMs = Math.max(this.#sinceMs, (slot.number + 1) * SLOT_MS);
  }

  #noteLimit(message: string): void {
    if (this.#limitsReached.has(message)) return;
    this.#limitsReached.add(message);
    this.#options.onLimit(message);
  }
}

function formatEdgeKey({ direction, source, destination, version, protocol }: TrafficEdge): string {
  return JSON.stringify([direction, source, destination, version, protocol]);
}

function toRow(edge: TrafficEdge, sum: Cell, spanMs: number): StatRow {
  const requests = sum.success + sum.failure;
  return {
    ...edge,
    requests,
    failures: sum.failure,
    rate: (requests * 1000) / spanMs,
    successRatio: requests === 0 ? 1 : sum.success / requests,
    p50Ms: estimateQuantileMs(sum.latency, 0.5),
    p90Ms: estimateQuantileMs(sum.latency, 0.9),
    p99Ms: estimateQuantileMs(sum.latency, 0.99),
    requestBytes: sum.requestBytes,
    responseBytes: sum.responseBytes,
    failureCodes: Object.fromEntries(sum.failureCodes),
  };
}

function compareRows(a: StatRow, b: StatRow): number {
  return (
    compare(a.destination, b.destination) ||
    compare(a.version, b.version) ||
    compare(a.direction, b.direction) ||
    compare(a.source, b.source) ||
    compare(a.protocol, b.protocol)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

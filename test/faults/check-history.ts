import type { ReadRecord, StoreHistory, TruthEvent, WatchSegment, WriteRecord } from "./history.ts";

const MAX_PROBLEMS = 20;

/**
 * Compares what writers, readers and watchers saw with what happened. One line for each violation:
 * - an acknowledged write that is not there, is there twice, or is not where its writer was told;
 * - a write said not to have been made that was made; one of unknown outcome made twice;
 * - a compare-and-swap on something else than what was there;
 * - a write that began after another was acknowledged and came before it; a read that shows the past;
 * - a list that is not the state at its version;
 * - a watcher that missed an event without being told so, saw one twice, out of order, or one that never happened.
 */
export function checkHistory(history: StoreHistory, truth: readonly TruthEvent[]): readonly string[] {
  const problems: string[] = [];
  const report = (problem: string): void => {
    if (problems.length < MAX_PROBLEMS) problems.push(problem);
  };
  checkWrites(history.writes, truth, report);
  checkOrder(history.writes, report);
  checkReads(history, truth, report);
  for (const segment of history.segments) checkSegment(segment, truth, report);
  return problems;
}

type Report = (problem: string) => void;

function checkWrites(writes: readonly WriteRecord[], truth: readonly TruthEvent[], report: Report): void {
  const putsByWeight = new Map<number, TruthEvent[]>();
  const byRevision = new Map<number, { readonly event: TruthEvent; readonly before: TruthEvent | null }>();
  const lastByName = new Map<string, TruthEvent>();
  for (const event of truth) {
    if (!event.deleted) putsByWeight.set(event.weight, [...(putsByWeight.get(event.weight) ?? []), event]);
    byRevision.set(event.revision, { event, before: lastByName.get(event.name) ?? null });
    lastByName.set(event.name, event);
  }
  const explained = new Set<number>();
  let unknownDeletions = 0;
  for (const write of writes) {
    const { outcome, weight } = write;
    const text = describeWrite(write);
    const made = weight === null ? [] : (putsByWeight.get(weight) ?? []);
    if (made.length > 1)
      report(`${text}: made ${made.length} times, at ${made.map((event) => event.revision).join(", ")}`);
    for (const event of made) explained.add(event.revision);
    if (outcome.kind === "refused" && made.length > 0) report(`${text}: refused (${outcome.code}), but made`);
    if (outcome.kind === "unknown" && weight === null) unknownDeletions += 1;
    if (outcome.kind !== "acknowledged") continue;
    const at = byRevision.get(outcome.version);
    if (at === undefined || at.event.name !== write.name || at.event.deleted !== (weight === null)) {
      report(`${text}: acknowledged at ${outcome.version}, but not there`);
      continue;
    }
    if (weight !== null && at.event.weight !== weight) report(`${text}: another write is at ${outcome.version}`);
    if (weight === null && explained.has(outcome.version)) report(`${text}: two deletions acknowledged at one version`);
    explained.add(outcome.version);
    const found = at.before === null || at.before.deleted ? "absent" : String(at.before.revision);
    if (write.ifVersion !== null && write.ifVersion !== found) {
      report(`${text}: made on ${found} at ${outcome.version}, though it asked for ${write.ifVersion}`);
    }
  }
  const strangers = truth.filter((event) => !explained.has(event.revision));
  const puts = strangers.filter((event) => !event.deleted);
  for (const event of puts)
    report(`something put ${event.name} = ${event.weight} at ${event.revision}; nobody asked for that`);
  if (strangers.length - puts.length > unknownDeletions) {
    report(
      `${strangers.length - puts.length} deletions that nobody was told of, and ${unknownDeletions} of unknown outcome`,
    );
  }
}

/** Acknowledged before the other began, so made before it. */
function checkOrder(writes: readonly WriteRecord[], report: Report): void {
  const points = writes.flatMap((write) =>
    write.outcome.kind === "acknowledged" ? [{ write, version: write.outcome.version }] : [],
  );
  const byBegin = points.toSorted((a, b) => a.write.begunStep - b.write.begunStep);
  const byEnd = points.toSorted((a, b) => a.write.endedStep - b.write.endedStep);
  let ended = 0;
  let newest = 0;
  for (const { write, version } of byBegin) {
    for (let next = byEnd[ended]; next !== undefined && next.write.endedStep < write.begunStep; next = byEnd[ended]) {
      newest = Math.max(newest, next.version);
      ended += 1;
    }
    if (version <= newest) report(`${describeWrite(write)}: made at ${version}, after ${newest} had been acknowledged`);
  }
}

function checkReads(history: StoreHistory, truth: readonly TruthEvent[], report: Report): void {
  const acknowledged = history.writes
    .flatMap((write) => (write.outcome.kind === "acknowledged" ? [{ write, version: write.outcome.version }] : []))
    .toSorted((a, b) => a.write.endedStep - b.write.endedStep);
  const reads = history.reads.toSorted((a, b) => a.begunStep - b.begunStep);
  const newestOf = new Map<string, number>();
  let newest = 0;
  let index = 0;
  for (const read of reads) {
    for (let next = acknowledged[index]; next !== undefined && next.write.endedStep < read.begunStep;) {
      newest = Math.max(newest, next.version);
      newestOf.set(next.write.name, Math.max(newestOf.get(next.write.name) ?? 0, next.version));
      index += 1;
      next = acknowledged[index];
    }
    if (read.version !== null) checkList(read, truth, newest, report);
    else checkGet(read, truth, newestOf.get(read.name ?? "") ?? 0, report);
  }
}

function checkList(read: ReadRecord, truth: readonly TruthEvent[], newest: number, report: Report): void {
  const version = read.version ?? 0;
  if (version < newest) report(`store ${read.store}: a list as of ${version}, after ${newest} had been acknowledged`);
  const state = new Map<string, TruthEvent>();
  for (const event of truth) {
    if (event.revision > version) break;
    if (event.deleted) state.delete(event.name);
    else state.set(event.name, event);
  }
  const expected = [...state.values()].map((event) => `${event.name}@${event.revision}=${event.weight}`).sort();
  const found = [...read.found].map(([name, item]) => `${name}@${item.version}=${item.weight}`).sort();
  if (expected.join() !== found.join()) {
    report(
      `store ${read.store}: a list as of ${version} is not the state of that version: ${found.join()}; expected ${expected.join()}`,
    );
  }
}

function checkGet(read: ReadRecord, truth: readonly TruthEvent[], newest: number, report: Report): void {
  const item = read.found.get(read.name ?? "");
  if (item === undefined) {
    // Absent: allowed unless the newest acknowledged write is a put and no deletion came after it.
    const after = truth.filter((event) => event.name === read.name && event.revision >= newest);
    if (newest > 0 && after[0]?.deleted === false && !after.some((event) => event.deleted)) {
      report(`store ${read.store}: nothing found at ${read.name}, after ${newest} had been acknowledged`);
    }
    return;
  }
  if (item.version < newest) {
    report(`store ${read.store}: ${read.name} read as of ${item.version}, after ${newest} had been acknowledged`);
  }
  const event = truth.find((candidate) => candidate.revision === item.version);
  if (event?.name !== read.name || event?.weight !== item.weight) {
    report(`store ${read.store}: ${read.name} read at ${item.version}, which never was`);
  }
}

function checkSegment(segment: WatchSegment, truth: readonly TruthEvent[], report: Report): void {
  const last = segment.events.at(-1)?.version ?? segment.fromVersion;
  const expected = truth.filter((event) => event.revision > segment.fromVersion && event.revision <= last);
  const toText = (type: string, name: string, version: number, weight: number | null): string =>
    `${type} ${name}@${version}${weight === null ? "" : `=${weight}`}`;
  for (let index = 0; index < Math.max(expected.length, segment.events.length); index += 1) {
    const event = expected[index];
    const seen = segment.events[index];
    const type = event?.deleted === true ? "DELETED" : event?.created === true ? "ADDED" : "MODIFIED";
    const should = event && toText(type, event.name, event.revision, event.deleted ? null : event.weight);
    const was = seen && toText(seen.type, seen.name, seen.version, seen.type === "DELETED" ? null : seen.weight);
    if (should === was) continue;
    report(
      `${segment.label} from ${segment.fromVersion}: event ${index} was ${was ?? "nothing"}; expected ${should ?? "nothing"}`,
    );
    return;
  }
}

function describeWrite({ store, name, weight, begunStep }: WriteRecord): string {
  return `store ${store}, step ${begunStep}: ${weight === null ? `delete ${name}` : `put ${name} = ${weight}`}`;
}

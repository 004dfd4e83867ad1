import { WeftError } from "../../src/lib/weft-error.ts";
import type { Random } from "../../src/random/random.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { toResourceKey } from "../../src/store/store-key.ts";
import { createSplit, SPLITS } from "../../src/store/store-samples.ts";
import type { Store } from "../../src/store/store.ts";
import { pause } from "../integration/wait-until.ts";
import type { ReadRecord, StoreHistory, WatchSegment, WriteRecord } from "./history.ts";
import { weightOf } from "./truth-log.ts";

const NAMES = 12;
const PAUSE_MS = 15;
const RELIST_PAUSE_MS = 200;

/** Writers, readers and watchers on several stores of one mesh, and what all of them saw. */
export class StoreLoad {
  readonly history: StoreHistory = { writes: [], reads: [], segments: [] };
  readonly #stores: readonly Store[];
  readonly #random: Random;
  #step: number = 0;
  #weight: number = 0;
  #stopping: boolean = false;
  readonly #running: Promise<void>[] = [];
  readonly #watchers: Watcher[] = [];

  constructor(stores: readonly Store[], random: Random) {
    this.#stores = stores;
    this.#random = random;
  }

  start(writersPerStore: number): void {
    for (const [store, opened] of this.#stores.entries()) {
      for (let writer = 0; writer < writersPerStore; writer += 1) this.#running.push(this.#write(store));
      this.#running.push(this.#read(store, opened));
      this.watch(store, "from the start", "0");
    }
  }

  /** One more watcher of a store, from now on. */
  async watchFromList(store: number): Promise<void> {
    const { resourceVersion } = await this.#store(store).listAll();
    this.watch(store, "from a list", resourceVersion);
  }

  watch(store: number, label: string, fromVersion: string): void {
    const name = `watcher ${this.#watchers.length} of store ${store} (${label})`;
    const watcher = new Watcher(this.#store(store), name, this.history.segments);
    this.#watchers.push(watcher);
    watcher.begin(fromVersion);
  }

  /** Of what was acknowledged last. */
  lastVersion(): number {
    return this.history.writes.reduce(
      (newest, { outcome }) => (outcome.kind === "acknowledged" ? Math.max(newest, outcome.version) : newest),
      0,
    );
  }

  /** How many watchers have not seen everything up to `version`. */
  behind(version: number): readonly string[] {
    return this.#watchers.filter((watcher) => watcher.seen() < version).map((watcher) => watcher.describe());
  }

  watcherErrors(): readonly string[] {
    return this.#watchers.flatMap((watcher) => watcher.errors);
  }

  /** Lets writers and readers finish; watchers go on. */
  async finish(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  stopWatching(): void {
    for (const watcher of this.#watchers) watcher.stop();
  }

  async #write(store: number): Promise<void> {
    const known = new Map<string, string>();
    while (!this.#stopping) {
      const name = `r${this.#random.below(NAMES)}`;
      const dice = this.#random.below(10);
      const ifVersion = dice < 3 ? (known.get(name) ?? "absent") : null;
      const weight = dice === 9 || dice === 0 ? null : this.#nextWeight();
      const record = await this.#record(store, { name, weight, ifVersion });
      this.history.writes.push(record);
      if (record.outcome.kind === "acknowledged" && weight !== null) known.set(name, String(record.outcome.version));
      else known.delete(name);
      await pause(this.#random.below(PAUSE_MS));
    }
  }

  async #record(
    store: number,
    { name, weight, ifVersion }: Pick<WriteRecord, "name" | "weight" | "ifVersion">,
  ): Promise<WriteRecord> {
    const opened = this.#store(store);
    const options = ifVersion === null ? {} : { ifVersion };
    const begunStep = this.#next();
    const finish = (outcome: WriteRecord["outcome"]): WriteRecord => {
      return { store, name, weight, ifVersion, begunStep, endedStep: this.#next(), outcome };
    };
    try {
      const split = createSplit(name, weight ?? 0);
      const made =
        weight === null ? await opened.delete(toResourceKey(split), options) : await opened.put(split, options);
      if (made === null) return finish({ kind: "nothing" });
      return finish({ kind: "acknowledged", version: Number(made.metadata.resourceVersion) });
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      if (error.code === "WEFT_STORE_UNKNOWN_OUTCOME") return finish({ kind: "unknown" });
      return finish({ kind: "refused", code: error.code });
    }
  }

  async #read(store: number, opened: Store): Promise<void> {
    while (!this.#stopping) {
      await pause(this.#random.below(4 * PAUSE_MS));
      const name = this.#random.below(3) === 0 ? null : `r${this.#random.below(NAMES)}`;
      const begunStep = this.#next();
      const record = (version: number | null, found: readonly Resource[]): void => {
        const items = found.map((resource) => [resource.metadata.name, toItem(resource)] as const);
        const read: ReadRecord = { store, begunStep, endedStep: this.#next(), version, name, found: new Map(items) };
        this.history.reads.push(read);
      };
      try {
        if (name === null) {
          const { items, resourceVersion } = await opened.list(SPLITS);
          record(Number(resourceVersion), items);
        } else {
          const found = await opened.get(toResourceKey(createSplit(name, 0)));
          record(null, found === null ? [] : [found]);
        }
      } catch (error) {
        // A read that fails shows nothing; that it may fail is what faults are about.
        if (!(error instanceof WeftError)) throw error;
      }
    }
  }

  #nextWeight(): number {
    this.#weight += 1;
    return this.#weight;
  }

  #next(): number {
    this.#step += 1;
    return this.#step;
  }

  #store(index: number): Store {
    const store = this.#stores[index];
    if (store === undefined) throw new Error(`there is no store ${index}`);
    return store;
  }
}

/** Follows a store as the control plane does: when it is told that it missed something, it lists and goes on from there. */
class Watcher {
  readonly errors: string[] = [];
  readonly #store: Store;
  readonly #label: string;
  readonly #segments: WatchSegment[];
  #stop: () => void = () => {};
  #seen: number = 0;
  #stopped: boolean = false;

  constructor(store: Store, label: string, segments: WatchSegment[]) {
    this.#store = store;
    this.#label = label;
    this.#segments = segments;
  }

  seen(): number {
    return this.#seen;
  }

  describe(): string {
    return `${this.#label} at ${this.#seen}`;
  }

  begin(fromVersion: string): void {
    const segment: WatchSegment = {
      label: this.#label,
      fromVersion: Number(fromVersion),
      events: [],
      endedTooOld: false,
    };
    this.#segments.push(segment);
    this.#seen = Math.max(this.#seen, segment.fromVersion);
    this.#stop = this.#store.watch({
      fromVersion,
      kind: SPLITS,
      onEvent: ({ type, resource }) => {
        const { version, weight } = toItem(resource);
        segment.events.push({ type, name: resource.metadata.name, version, weight });
        this.#seen = version;
      },
      onError: (error) => {
        segment.endedTooOld = error instanceof WeftError && error.code === "WEFT_STORE_TOO_OLD";
        if (!segment.endedTooOld) this.errors.push(`${this.#label}: ${error.message}`);
        if (!this.#stopped) void this.#relist();
      },
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#stop();
  }

  async #relist(): Promise<void> {
    while (!this.#stopped) {
      try {
        const { resourceVersion } = await this.#store.listAll();
        if (!this.#stopped) this.begin(resourceVersion);
        return;
      } catch {
        await pause(RELIST_PAUSE_MS);
      }
    }
  }
}

function toItem(resource: Resource): { readonly version: number; readonly weight: number } {
  return { version: Number(resource.metadata.resourceVersion), weight: weightOf(JSON.stringify(resource)) };
}

import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import { kindOf } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import { toResourceKey } from "../store/store-key.ts";
import type { Store } from "../store/store.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { formatWallTime } from "../time/wall-time.ts";
import type { Condition } from "./model/mesh-model.ts";
import type { JobLease } from "./replicas/job-lease.ts";

export interface StatusWriterOptions {
  readonly store: Store;
  readonly resources: () => Iterable<Resource>;
  /** What the model in force found wrong. */
  readonly conditions: () => readonly Condition[];
  /** With several control planes one writes. */
  readonly lease: JobLease;
  readonly clock: Clock;
  readonly log: Log;
}

/** As `metav1.Condition` of Kubernetes. */
export interface StatusCondition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

const SWEEP_MS = 5_000;
/** After a change of the model, so that a folder that is being applied does not leave a trail of passing findings. */
const GATHER_MS = 500;
/** In one pass; the rest in the next. */
const MAX_WRITES = 200;
/** True is the bad one. */
const WHEN_BAD: Readonly<Record<Condition["type"], "True" | "False">> = {
  Accepted: "False",
  ResolvedRefs: "False",
  PortsMatch: "False",
  Conflicted: "True",
};
const TYPES = Object.keys(WHEN_BAD) as readonly Condition["type"][];

/**
 * Writes what is wrong with resources that are in force nevertheless into their `status.conditions`, and that it no longer is once it
 * is mended. A resource with which nothing was ever wrong has no status: there is nothing to say, and nobody's object changes
 * without need. Other conditions in a status are left alone. Writes are compare-and-swap; one that loses comes again.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #timer: Timer;
  #soon: Timer | null = null;
  #isWriting: boolean = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#timer = options.clock.every(SWEEP_MS, (writer: StatusWriter) => void writer.sweep(), this);
  }

  /** The model has changed. */
  changed(): void {
    this.#soon ??= this.#options.clock.after(GATHER_MS, (writer: StatusWriter) => void writer.#runSoon(), this);
  }

  close(): void {
    this.#timer.clear();
    this.#soon?.clear();
  }

  /** Runs every 5 s by itself, and half a second after a change. */
  async sweep(): Promise<void> {
    if (this.#isWriting || !this.#options.lease.held()) return;
    this.#isWriting = true;
    try {
      await this.#writeAll();
    } finally {
      this.#isWriting = false;
    }
  }

  async #runSoon(): Promise<void> {
    this.#soon = null;
    await this.sweep();
  }

  async #writeAll(): Promise<void> {
    const { conditions, lease, resources } = this.#options;
    const found = new Map<string, Condition[]>();
    for (const condition of conditions()) {
      const key = `${condition.kind}/${condition.namespace}/${condition.name}`;
      const list = found.get(key);
      if (list === undefined) found.set(key, [condition]);
      else list.push(condition);
    }
    const stale: Resource[] = [];
    for (const resource of resources()) {
      const { kind, metadata } = resource;
      const wanted = found.get(`${kind}/${metadata.namespace}/${metadata.name}`) ?? [];
      if (wanted.length === 0 && resource.status === undefined) continue;
      if (kindOf(resource)?.hasStatus === true && this.#next(resource, wanted) !== null) stale.push(resource);
    }
    for (const resource of stale.slice(0, MAX_WRITES)) {
      if (!lease.held()) return;
      const { kind, metadata } = resource;
      await this.#write(resource, found.get(`${kind}/${metadata.namespace}/${metadata.name}`) ?? []);
    }
  }

  async #write(seen: Resource, wanted: readonly Condition[]): Promise<void> {
    const { store, log } = this.#options;
    const { resourceVersion = "" } = seen.metadata;
    try {
      // As it is stored: what we have seen has its defaults filled in.
      const stored = await store.get(toResourceKey(seen));
      if (stored === null || stored.metadata.resourceVersion !== resourceVersion) return;
      const conditions = this.#next(stored, wanted);
      if (conditions === null) return;
      await store.put({ ...stored, status: { ...readStatus(stored), conditions } }, { ifVersion: resourceVersion });
    } catch (error) {
      if (error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT") return;
      const { kind, metadata } = seen;
      log.warn("cannot write the status of a resource", {
        kind,
        namespace: metadata.namespace,
        name: metadata.name,
        error,
      });
    }
  }

  /** The conditions that the resource should have; null when it has them. */
  #next(resource: Resource, wanted: readonly Condition[]): readonly unknown[] | null {
    const before = readConditions(resource);
    const next = before.filter(({ type }) => !isOurs(type));
    let isChanged = false;
    for (const type of TYPES) {
      const old = before.find((condition) => condition.type === type);
      const mine = wanted.filter((condition) => condition.type === type);
      const now = this.#nextOf(type, mine, { old, generation: readGeneration(resource) });
      if (now !== undefined) next.push(now);
      if (now !== old) isChanged = true;
    }
    return isChanged ? next : null;
  }

  /** `old` itself when it says the same. */
  #nextOf(
    type: Condition["type"],
    findings: readonly Condition[],
    { old, generation }: { readonly old: StatusCondition | undefined; readonly generation: number | undefined },
  ): StatusCondition | undefined {
    const [first] = findings;
    if (first === undefined && old === undefined) return undefined;
    const bad = WHEN_BAD[type];
    const status = first === undefined ? (bad === "True" ? "False" : "True") : bad;
    const reason = first?.reason ?? "Mended";
    const message = findings.map((finding) => finding.message).join("; ");
    if (old?.status === status && old.reason === reason && old.message === message) return old;
    const lastTransitionTime =
      old?.status === status ? old.lastTransitionTime : formatSecond(this.#options.clock.wallMs());
    return {
      ...{ type, status, reason, message, lastTransitionTime },
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  }
}

/** Times of Kubernetes are of whole seconds. */
function formatSecond(wallMs: number): string {
  return formatWallTime(wallMs).replace(/\.\d+Z$/, "Z");
}

function isOurs(type: string): boolean {
  return Object.hasOwn(WHEN_BAD, type);
}

function readStatus({ status }: Resource): Readonly<Record<string, unknown>> {
  return typeof status === "object" && status !== null ? (status as Readonly<Record<string, unknown>>) : {};
}

/** What is no condition is dropped: somebody else's mistake. */
function readConditions(resource: Resource): readonly StatusCondition[] {
  const { conditions } = readStatus(resource);
  if (!Array.isArray(conditions)) return [];
  return conditions.filter(
    (one): one is StatusCondition => typeof one === "object" && one !== null && typeof one.type === "string",
  );
}

function readGeneration({ metadata }: Resource): number | undefined {
  const { generation } = metadata as { readonly generation?: unknown };
  return typeof generation === "number" ? generation : undefined;
}

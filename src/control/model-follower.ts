import { isDeepStrictEqual } from "node:util";
import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import { formatProblem } from "../resources/problem.ts";
import { kindOf } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import { validateResource } from "../resources/validate.ts";
import { encodeKey, toResourceKey } from "../store/store-key.ts";
import type { Store, WatchEvent } from "../store/store.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { ModelCompiler } from "./model/model-compiler.ts";
import type { MeshModel } from "./model/mesh-model.ts";

export interface ModelFollowerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with each model that differs from the one before. When it throws, the model before stays in force. */
  readonly onModel: (model: MeshModel) => void;
  /** Default: a ModelCompiler's. */
  readonly compile?: (resources: readonly Resource[], previous: MeshModel | null) => MeshModel;
}

/** A burst of writes becomes one model; nobody notices 5 ms. */
const GATHER_MS = 5;
const RELIST_MS = 1_000;

/**
 * Keeps the mesh model in step with the store. A resource in the store that is not valid (another program or another
 * version of weft wrote it) counts as its last valid state, or as absent, and is logged; all others are in force. A model that cannot be compiled or put in force leaves the last good one
 * standing, is logged and counted, and is tried again with the next write.
 */
export class ModelFollower {
  readonly #options: ModelFollowerOptions;
  readonly #resources: Map<string, Resource> = new Map();
  readonly #compiler: ModelCompiler = new ModelCompiler();
  #model: MeshModel | null = null;
  #stopWatch: (() => void) | null = null;
  #timer: Timer | null = null;
  #relistTimer: Timer | null = null;
  #closed: boolean = false;
  #failures: number = 0;

  constructor(options: ModelFollowerOptions) {
    this.#options = options;
  }

  /** Resolves when the first model is in force. Throws WEFT_CONTROL_MODEL when it cannot be: nothing is better than an empty mesh. */
  async start(): Promise<void> {
    await this.#list();
    this.#compile();
    if (this.#model === null) {
      throw new WeftError(
        "WEFT_CONTROL_MODEL",
        "Cannot start the control plane: its resources cannot be compiled; expected a usable model",
        {
          hint: "The log names the error. Proxies keep their last configuration meanwhile",
        },
      );
    }
  }

  /** The model in force. */
  model(): MeshModel {
    if (this.#model === null) throw new Error("ModelFollower.model() was called before start() resolved");
    return this.#model;
  }

  /** Every valid resource as of now, in no order. */
  resources(): Iterable<Resource> {
    return this.#resources.values();
  }

  /** How many models could not be put in force. */
  failures(): number {
    return this.#failures;
  }

  close(): void {
    this.#closed = true;
    this.#stopWatch?.();
    this.#timer?.clear();
    this.#relistTimer?.clear();
  }

  async #list(): Promise<void> {
    const { store } = this.#options;
    const { items, resourceVersion } = await store.listAll();
    if (this.#closed) return;
    const keys = new Set(items.map((resource) => encodeKey(toResourceKey(resource))));
    for (const [key, resource] of this.#resources) if (!keys.has(key)) this.#remove(key, resource);
    for (const resource of items) this.#admit(resource);
    this.#stopWatch = store.watch({
      fromVersion: resourceVersion,
      onEvent: (event) => this.#onEvent(event),
      onError: (error) => this.#onWatchError(error),
    });
  }

  #onEvent({ type, resource }: WatchEvent): void {
    if (type === "DELETED") this.#remove(encodeKey(toResourceKey(resource)), resource);
    else this.#admit(resource);
    this.#compileSoon();
  }

  #remove(key: string, resource: Resource): void {
    this.#resources.delete(key);
    this.#compiler.delete(resource);
  }

  #admit(stored: Resource): void {
    const key = encodeKey(toResourceKey(stored));
    // Kinds that weft does not know are of no concern to the model.
    if (kindOf(stored) === null) return;
    const { resource, problems } = validateResource(stored, { file: "store" });
    if (resource !== null) {
      // What was validated before it was stored is kept once, not twice.
      const kept = isDeepStrictEqual(resource, stored) ? stored : resource;
      this.#resources.set(key, kept);
      this.#compiler.put(kept);
      return;
    }
    const inForce = this.#resources.has(key) ? "its last valid state stays in force" : "it is left out";
    this.#options.log.error(`a resource in the store is not valid; ${inForce}`, {
      kind: stored.kind,
      namespace: stored.metadata.namespace,
      name: stored.metadata.name,
      problems: problems.map(formatProblem),
    });
  }

  /** The watch is over (too old, or the store had trouble): list again, and again until that works. */
  #onWatchError(error: Error): void {
    this.#stopWatch?.();
    if (this.#closed) return;
    this.#options.log.warn("the watch of the store ended; listing again", { error });
    this.#list().then(
      () => this.#compileSoon(),
      (failure: unknown) => {
        this.#relistTimer = this.#options.clock.after(RELIST_MS, () => this.#onWatchError(failure as Error), undefined);
      },
    );
  }

  #compileSoon(): void {
    this.#timer ??= this.#options.clock.after(
      GATHER_MS,
      () => {
        this.#timer = null;
        this.#compile();
      },
      undefined,
    );
  }

  #compile(): void {
    if (this.#closed) return;
    const { compile, onModel, log } = this.#options;
    try {
      const model =
        compile === undefined ? this.#compiler.compile() : compile([...this.#resources.values()], this.#model);
      if (model === this.#model) return;
      onModel(model);
      this.#model = model;
      const { services, workloads, conditions } = model;
      log.debug("a new model is in force", {
        services: services.size,
        workloads: workloads.size,
        conditions: conditions.length,
      });
    } catch (error) {
      this.#failures += 1;
      log.error("the resources do not compile; the last good configuration stays in force", {
        failures: this.#failures,
        error,
      });
    }
  }
}

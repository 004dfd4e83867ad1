import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import { encodeKey, toResourceKey } from "../store/store-key.ts";
import type { Store, WatchEvent } from "../store/store.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { compileModel } from "./model/compile-model.ts";
import type { MeshModel } from "./model/mesh-model.ts";

export interface ModelFollowerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with each model that differs from the one before. When it throws, the model before stays in force. */
  readonly onModel: (model: MeshModel) => void;
  /** Default `compileModel`. */
  readonly compile?: (resources: readonly Resource[], previous: MeshModel | null) => MeshModel;
}

/** A burst of writes becomes one model; nobody notices 5 ms. */
const GATHER_MS = 5;
const RELIST_MS = 1_000;

/**
 * Keeps the mesh model in step with the store. A model that cannot be compiled or put in force leaves the last good one
 * standing, is logged and counted, and is tried again with the next write.
 */
export class ModelFollower {
  readonly #options: ModelFollowerOptions;
  readonly #resources: Map<string, Resource> = new Map();
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
      throw new WeftError("WEFT_CONTROL_MODEL", "Cannot start the control plane: its resources cannot be compiled; expected a usable model", {
        hint: "The log names the error. Proxies keep their last configuration meanwhile",
      });
    }
  }

  /** The model in force. */
  model(): MeshModel {
    if (this.#model === null) throw new Error("ModelFollower.model() was called before start() resolved");
    return this.#model;
  }

  /** Every resource as of now, in no order. */
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
    this.#resources.clear();
    for (const resource of items) this.#resources.set(encodeKey(toResourceKey(resource)), resource);
    this.#stopWatch = store.watch({
      fromVersion: resourceVersion,
      onEvent: (event) => this.#onEvent(event),
      onError: (error) => this.#onWatchError(error),
    });
  }

  #onEvent({ type, resource }: WatchEvent): void {
    const key = encodeKey(toResourceKey(resource));
    if (type === "DELETED") this.#resources.delete(key);
    else this.#resources.set(key, resource);
    this.#compileSoon();
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
    const { compile = compileModel, onModel, log } = this.#options;
    try {
      const model = compile([...this.#resources.values()], this.#model);
      if (model === this.#model) return;
      onModel(model);
      this.#model = model;
    } catch (error) {
      this.#failures += 1;
      log.error("the resources do not compile; the last good configuration stays in force", { failures: this.#failures, error });
    }
  }
}

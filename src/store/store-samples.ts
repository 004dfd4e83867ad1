import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import type { StoreOptions } from "./queued-store.ts";
import type { Store, WatchEvent, WatchOptions } from "./store.ts";

/** Opens an empty store and closes it after the test. */
export type OpenStore = (context: TestContext, options: StoreOptions) => Promise<Store>;

export const SPLITS = { group: "split.smi-spec.io", kind: "TrafficSplit" } as const;
export const ACCOUNTS = { group: "", kind: "ServiceAccount" } as const;

export function createSplit(name: string, weight: number, namespace: string = "default"): Resource {
  const spec = { service: name, backends: [{ service: `${name}-v1`, weight }], matches: [] };
  return { apiVersion: "split.smi-spec.io/v1alpha4", kind: "TrafficSplit", metadata: { name, namespace }, spec };
}

export function createAccount(name: string, namespace: string = "default"): Resource {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
}

/** What a watch received; `until` waits for a number of events, `failed` for its end. */
export class Recording {
  readonly events: WatchEvent[] = [];
  readonly errors: Error[] = [];
  #waiting: (() => void)[] = [];

  start(store: Store, options: Partial<WatchOptions> & { readonly fromVersion: string }): () => void {
    return store.watch({
      ...options,
      onEvent: (event) => {
        this.events.push(event);
        this.#wake();
      },
      onError: (error) => {
        this.errors.push(error);
        this.#wake();
      },
    });
  }

  async until(count: number): Promise<void> {
    while (this.events.length < count) {
      assert.deepEqual(this.errors, [], "the watch goes on");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async failed(): Promise<Error> {
    while (this.errors.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.errors[0] as Error;
  }

  /** `ADDED reviews@3`. */
  summary(): string[] {
    return this.events.map((event) => {
      const { name, resourceVersion } = event.resource.metadata;
      return `${event.type} ${name}@${resourceVersion}`;
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export function hasCode(code: string, details: Readonly<Record<string, unknown>> = {}): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WeftError, String(error));
    assert.equal(error.code, code);
    for (const [key, value] of Object.entries(details)) assert.equal(error.details[key], value);
    return true;
  };
}

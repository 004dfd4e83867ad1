import type { EncodedResource, ResourcesByName } from "../config-source.ts";
import { NO_RESOURCES } from "../layered-resources.ts";
import type { ResourceChanges } from "../resource-changes.ts";

/**
 * What a proxy has under a name: a resource, or a version whose content is not known here (it brought that along to this
 * stream), or ABSENT.
 */
export type Told = EncodedResource | { readonly version: string };

/** The proxy knows that there is none. Versions are hashes, so never empty. */
export const ABSENT: Told = { version: "" };

/** Which names a proxy asked for. */
export interface Covered {
  has(name: string): boolean;
  /** How many of them are in a map. */
  countIn(view: ResourcesByName): number;
  /** All of them that are in a map, and others. */
  listIn(view: ResourcesByName): Iterable<string>;
}

/**
 * Name to what a proxy was told, or runs, kept as the difference from a map that all proxies share. Once a proxy has all of
 * a map, it costs nothing per resource. Whoever asks must know that the name is subscribed: about others it says nothing.
 */
export class ToldVersions {
  #base: ResourcesByName = NO_RESOURCES;
  /** Where it differs from the base; null = nothing was told. */
  readonly #own: Map<string, Told | null> = new Map();

  get(name: string): Told | undefined {
    const own = this.#own.get(name);
    return own === undefined ? this.#base.get(name) : (own ?? undefined);
  }

  set(name: string, told: Told): void {
    if (this.#base.get(name) === told) this.#own.delete(name);
    else this.#own.set(name, told);
  }

  forget(name: string): void {
    if (this.#base.has(name)) this.#own.set(name, null);
    else this.#own.delete(name);
  }

  /** Forgets every name that is not in `kept`. */
  keepOnly(kept: Iterable<string>): void {
    const left = [...kept].map((name) => [name, this.get(name)] as const);
    this.#base = NO_RESOURCES;
    this.#own.clear();
    for (const [name, told] of left) if (told !== undefined) this.#own.set(name, told);
  }

  /** Names that may differ from `view`: no other does. */
  differences(view: ResourcesByName, changes: ResourceChanges): readonly string[] {
    const changed = changes.between(this.#base, view);
    if (this.#own.size === 0) return changed;
    return changed.length === 0 ? [...this.#own.keys()] : [...new Set([...this.#own.keys(), ...changed])];
  }

  /** Means the same as before, written as the difference from `view`. */
  rebase(view: ResourcesByName, changes: ResourceChanges, covers: (name: string) => boolean): void {
    if (this.#base === view && this.#own.size === 0) return;
    const found = this.differences(view, changes).map((name) => [name, this.get(name)] as const);
    this.#base = view;
    this.#own.clear();
    for (const [name, told] of found) {
      if (!covers(name)) continue;
      const next = view.get(name);
      if (told?.version === next?.version) continue;
      this.#own.set(name, told ?? null);
    }
  }

  /** Sets what a proxy brought along, when nothing was told yet. */
  begin(brought: ReadonlyMap<string, string>, view: ResourcesByName, covered: Covered): void {
    this.#base = view;
    let matching = 0;
    for (const [name, version] of brought) {
      if (version === ABSENT.version || !covered.has(name)) continue;
      if (view.get(name)?.version === version) matching += 1;
      else this.#own.set(name, { version });
    }
    if (matching === covered.countIn(view)) return;
    for (const name of covered.listIn(view)) if (view.has(name) && !brought.get(name)) this.#own.set(name, null);
  }

  /** The same as `other`, which goes its own way from here. */
  copy(other: ToldVersions): void {
    this.#base = other.#base;
    this.#own.clear();
    for (const [name, told] of other.#own) this.#own.set(name, told);
  }

  /** All of `view`, but for the names in `except`, which keep what they have. */
  adopt(view: ResourcesByName, except: Iterable<string>): void {
    const kept = [...except].map((name) => [name, this.get(name)] as const);
    this.#base = view;
    this.#own.clear();
    for (const [name, told] of kept) if (told !== view.get(name)) this.#own.set(name, told ?? null);
  }

  /** Names with something of their own. */
  ownNames(): Iterable<string> {
    return this.#own.keys();
  }

  /** Of all names that `covers` says are subscribed. */
  *entries(covers: (name: string) => boolean): Generator<[string, Told]> {
    for (const [name, resource] of this.#base) if (!this.#own.has(name) && covers(name)) yield [name, resource];
    for (const [name, told] of this.#own) if (told !== null && covers(name)) yield [name, told];
  }

  /** The map that all of it is from; null when something is its own. */
  whole(): ResourcesByName | null {
    return this.#own.size === 0 ? this.#base : null;
  }
}

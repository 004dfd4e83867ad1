import type { Random } from "../../random/random.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Clock } from "../../time/clock.ts";
import { StatusError } from "../status.ts";

/** A list as it was at one moment, for the pages of it that are still to be asked for. */
export interface HeldList {
  readonly items: readonly Resource[];
  readonly resourceVersion: string;
  /** What was asked for: a token fits its own request only. */
  readonly question: string;
}

export interface PagesOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** Kubernetes' lists can be gone on with for about as long. */
const HELD_MS = 5 * 60_000;
/** A held list costs a pointer an item, and keeps alive what was deleted since. */
const MAX_LISTS = 64;
const MAX_ITEMS = 1_000_000;
const TOKEN = /^[0-9a-f]{32}\.\d{1,9}$/;

/**
 * Lists of which only the beginning was sent. Each is kept for five minutes, 64 at most: after that, and from another
 * control plane, its token is HTTP 410 and the client lists again.
 */
export class ListPages {
  readonly #options: PagesOptions;
  readonly #lists: Map<string, { readonly list: HeldList; readonly atMs: number }> = new Map();
  #itemCount: number = 0;

  constructor(options: PagesOptions) {
    this.#options = options;
  }

  /** Keeps `list`; returns the token of what follows its first `sentCount` items. */
  hold(list: HeldList, sentCount: number): string {
    this.#dropOld();
    const id = Buffer.from(this.#options.random.bytes(16)).toString("hex");
    this.#lists.set(id, { list, atMs: this.#options.clock.nowMs() });
    this.#itemCount += list.items.length;
    for (const oldest of this.#lists.keys()) {
      if (this.#lists.size <= MAX_LISTS && this.#itemCount <= MAX_ITEMS) break;
      if (oldest !== id) this.#drop(oldest);
      else break;
    }
    return `${id}.${sentCount}`;
  }

  /** What a token stands for. Throws StatusError Expired, or BadRequest when it was given for another request. */
  resume(token: string, question: string): { readonly list: HeldList; readonly start: number } {
    if (!TOKEN.test(token)) {
      throw new StatusError("BadRequest", "Cannot go on with a list: found a continue token that no list gave");
    }
    this.#dropOld();
    const [id = "", start = ""] = token.split(".");
    const held = this.#lists.get(id);
    if (held === undefined) {
      throw new StatusError(
        "Expired",
        "Cannot go on with a list: found a continue token that is too old, or of another control plane; expected a list from its beginning",
      );
    }
    if (held.list.question !== question) {
      throw new StatusError("BadRequest", "Cannot go on with a list: found a continue token of another list");
    }
    return { list: held.list, start: Number(start) };
  }

  /** The token of the next page of the same list. */
  next(token: string, start: number): string {
    return `${token.split(".", 1)[0] ?? ""}.${start}`;
  }

  /** A list that was held for this question at this version; null when none was. */
  findExact(question: string, resourceVersion: string): HeldList | null {
    this.#dropOld();
    for (const { list } of this.#lists.values()) {
      if (list.question === question && list.resourceVersion === resourceVersion) return list;
    }
    return null;
  }

  #dropOld(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [id, { atMs }] of this.#lists) {
      if (nowMs - atMs < HELD_MS) return;
      this.#drop(id);
    }
  }

  #drop(id: string): void {
    this.#itemCount -= this.#lists.get(id)?.list.items.length ?? 0;
    this.#lists.delete(id);
  }
}

import type { ServerResponse } from "node:http";
import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";
import type { Resource } from "../resources/resource.ts";
import type { Store } from "../store/store.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { ApiAnswer } from "./api-route.ts";
import type { ListFilter } from "./list-filter.ts";
import { createPresenter, type Presenter } from "./present.ts";
import type { ResourceTarget } from "./resource-target.ts";
import { StatusError } from "./status.ts";
import { readWatchStart, type WatchStart } from "./watch-start.ts";
import { createWatchView, type WatchView } from "./watch-view.ts";

/** Kubernetes' default: long enough to be cheap, and spread so that watchers do not all come back at once. */
const MIN_WATCH_MS = 30 * 60_000;
/** How often a client that takes bookmarks learns how far it is, also when nothing happens to what it watches. */
const BOOKMARK_MS = 60_000;
const MAX_WATCHES = 256;
/** A watcher that reads slower than this much behind is cut off; it lists again and goes on. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
/** Tells a client that all that existed has been sent. */
const INITIAL_EVENTS_END: Readonly<Record<string, string>> = { "k8s.io/initial-events-end": "true" };

/** Counts the open watches of a server and ends them all when it closes. */
export interface WatchLimiter {
  readonly open: Set<() => void>;
}

export interface WatchOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly watches: WatchLimiter;
  /** A collection: of one namespace, or of all. */
  readonly target: ResourceTarget;
  readonly filter: ListFilter;
  readonly query: URLSearchParams;
  readonly accept: string | undefined;
}

/**
 * Events after `resourceVersion`, one JSON object a line, until `timeoutSeconds`, the client or the server ends it.
 * Without a version, or from "0", it begins with an ADDED for all that exists; with `sendInitialEvents` that is closed
 * by a bookmark. A version that the store no longer remembers is HTTP 410 before the first event, else an ERROR event
 * that holds the same Status: list again.
 */
export async function startWatch(options: WatchOptions): Promise<ApiAnswer> {
  const { accept, clock, query, target } = options;
  const presenter = createPresenter({
    accept,
    query,
    definition: target.definition,
    wallMs: () => clock.wallMs(),
    answer: "watch",
  });
  const lifetimeMs = readLifetimeMs(options);
  if (options.watches.open.size >= MAX_WATCHES) {
    throw new StatusError("TooManyRequests", `Cannot watch: found ${MAX_WATCHES} open watches; expected fewer`, {
      retryAfterSeconds: 5,
    });
  }
  const start = await readWatchStart(options);
  return { kind: "stream", start: (response) => new WatchRun(options, { response, presenter, start, lifetimeMs }) };
}

interface WatchRunOptions {
  readonly response: ServerResponse;
  readonly presenter: Presenter;
  readonly start: WatchStart;
  readonly lifetimeMs: number;
}

/** One open watch, from its first event to its end. */
class WatchRun {
  readonly #options: WatchOptions;
  readonly #response: ServerResponse;
  readonly #presenter: Presenter;
  readonly #view: WatchView;
  readonly #end: () => void;
  readonly #timers: Timer[] = [];
  readonly #hasBookmarks: boolean;
  #stopStore: (() => void) | null = null;
  /** What existed at the start is sent whatever its size: a list would be as long. */
  #maxBufferedBytes: number = Number.POSITIVE_INFINITY;
  /** The client knows of everything up to this version. */
  #version: string;

  constructor(options: WatchOptions, { response, presenter, start, lifetimeMs }: WatchRunOptions) {
    this.#options = options;
    this.#response = response;
    this.#presenter = presenter;
    this.#view = createWatchView(options.filter, start);
    this.#version = start.fromVersion;
    this.#hasBookmarks = isTrue(options.query.get("allowWatchBookmarks"));
    this.#end = () => this.#close();
    options.watches.open.add(this.#end);
    response.on("close", this.#end);
    const { clock } = options;
    this.#timers.push(clock.after(lifetimeMs, () => this.#expire(), undefined));
    if (this.#hasBookmarks) this.#timers.push(clock.every(BOOKMARK_MS, () => this.#bookmark(), undefined));
    for (const resource of start.initial) this.#send("ADDED", resource);
    if (!options.watches.open.has(this.#end)) return;
    this.#maxBufferedBytes = MAX_BUFFERED_BYTES + response.writableLength;
    if (start.isBookmarked && this.#hasBookmarks) this.#bookmark(INITIAL_EVENTS_END);
    // The headers wait for one turn, so that a version that is too old can still be answered with HTTP 410.
    this.#timers.push(clock.after(0, () => this.#open(), undefined));
    this.#watchStore();
  }

  /** Of every kind: an event of another kind tells how far a bookmark may be. */
  #watchStore(): void {
    const { store, target } = this.#options;
    const { group, kind } = target.definition;
    const stop = store.watch({
      fromVersion: this.#version,
      onEvent: ({ type, resource }) => {
        this.#version = resource.metadata.resourceVersion ?? this.#version;
        if (resource.kind !== kind || groupOf(resource) !== group) return;
        if (target.namespace !== "" && resource.metadata.namespace !== target.namespace) return;
        const seen = this.#view.see(type, resource);
        if (seen !== null) this.#send(seen, resource);
      },
      onError: (error) => this.#fail(toStatusError(error)),
    });
    if (this.#options.watches.open.has(this.#end)) this.#stopStore = stop;
    else stop();
  }

  /** An object that the version cannot say ends the watch: what it was before is no longer true. */
  #send(type: string, resource: Resource): void {
    if (!this.#options.watches.open.has(this.#end)) return;
    let object: unknown;
    try {
      object = this.#presenter.event(resource);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      this.#fail(error);
      return;
    }
    this.#write(type, object);
  }

  #bookmark(annotations?: Readonly<Record<string, string>>): void {
    const metadata = { resourceVersion: this.#version, ...(annotations === undefined ? {} : { annotations }) };
    this.#write("BOOKMARK", this.#presenter.bookmark(metadata));
  }

  #write(type: string, object: unknown): void {
    this.#open();
    this.#response.write(`${JSON.stringify({ type, object })}\n`);
    if (this.#response.writableLength > this.#maxBufferedBytes) this.#response.destroy();
  }

  #open(): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#response.writeHead(200, { "content-type": "application/json" });
    this.#response.flushHeaders();
  }

  #fail({ status }: StatusError): void {
    if (this.#response.headersSent) {
      this.#write("ERROR", status);
    } else {
      this.#response.writeHead(status.code, { "content-type": "application/json" });
      this.#response.write(`${JSON.stringify(status)}\n`);
    }
    this.#close();
  }

  /** The last word is how far the client is, so that it can go on from there. */
  #expire(): void {
    if (this.#hasBookmarks) this.#bookmark();
    this.#close();
  }

  #close(): void {
    if (!this.#options.watches.open.delete(this.#end)) return;
    for (const timer of this.#timers) timer.clear();
    this.#stopStore?.();
    this.#open();
    this.#response.end();
  }
}

export function isTrue(text: string | null): boolean {
  return text === "true" || text === "1";
}

function groupOf({ apiVersion }: Resource): string {
  const slash = apiVersion.indexOf("/");
  return slash === -1 ? "" : apiVersion.slice(0, slash);
}

function readLifetimeMs({ query, random }: WatchOptions): number {
  const text = query.get("timeoutSeconds");
  if (text === null || text === "0") return MIN_WATCH_MS * (1 + random.next());
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000;
  throw new StatusError("BadRequest", `Cannot watch: found timeoutSeconds "${text}"; expected a whole number`);
}

function toStatusError(error: Error): StatusError {
  if (error instanceof WeftError && error.code === "WEFT_STORE_TOO_OLD") {
    return new StatusError(
      "Expired",
      `Cannot watch from there: ${error.message}; list again and watch from the new resourceVersion`,
    );
  }
  return new StatusError("InternalError", `Cannot watch: ${error.message}`);
}

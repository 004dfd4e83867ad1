import type { ServerResponse } from "node:http";
import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";
import type { GroupKind, Store, WatchEvent } from "../store/store.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { ApiAnswer } from "./api-route.ts";
import type { ListFilter } from "./list-filter.ts";
import { StatusError } from "./status.ts";
import { toWire } from "./wire-resource.ts";

/** Kubernetes' default: long enough to be cheap, and spread so that watchers do not all come back at once. */
const MIN_WATCH_MS = 30 * 60_000;
const MAX_WATCHES = 256;
/** A watcher that reads slower than this much behind is cut off; it lists again and goes on. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

/** Counts the open watches of a server and ends them all when it closes. */
export interface WatchLimiter {
  readonly open: Set<() => void>;
}

export interface WatchOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly watches: WatchLimiter;
  readonly kind: GroupKind;
  /** Left out: every namespace. */
  readonly namespace?: string;
  readonly filter: ListFilter;
  readonly query: URLSearchParams;
}

/**
 * Events after `resourceVersion`, one JSON object a line, until `timeoutSeconds`, the client or the server ends it.
 * Without a version, or from "0", it begins with an ADDED for all that exists. A version that the store no longer
 * remembers is HTTP 410 before the first event, else an ERROR event that holds the same Status: list again.
 */
export function startWatch(options: WatchOptions): ApiAnswer {
  if (options.query.get("sendInitialEvents") === "true") {
    throw new StatusError(
      "Invalid",
      "Cannot watch: found sendInitialEvents; expected a list first, and a watch from its resourceVersion",
    );
  }
  if (options.watches.open.size >= MAX_WATCHES) {
    throw new StatusError("TooManyRequests", `Cannot watch: found ${MAX_WATCHES} open watches; expected fewer`, {
      retryAfterSeconds: 5,
    });
  }
  const lifetimeMs = readLifetimeMs(options);
  const fromVersion = readFromVersion(options.query);
  return { kind: "stream", start: (response) => runWatch(options, response, { lifetimeMs, fromVersion }) };
}

interface WatchRun {
  readonly lifetimeMs: number;
  readonly fromVersion: string;
}

function runWatch(options: WatchOptions, response: ServerResponse, run: WatchRun): void {
  const changes = createSelection(options.filter);
  let expiry: Timer | null = null;
  let opening: Timer | null = null;
  let stopStore: (() => void) | null = null;

  const end = (): void => {
    if (!options.watches.open.delete(end)) return;
    expiry?.clear();
    opening?.clear();
    stopStore?.();
    if (!response.headersSent) open();
    response.end();
  };
  const open = (): void => {
    if (response.headersSent) return;
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
  };
  const write = (type: string, object: unknown): void => {
    open();
    response.write(`${JSON.stringify({ type, object })}\n`);
    if (response.writableLength > MAX_BUFFERED_BYTES) response.destroy();
  };

  options.watches.open.add(end);
  response.on("close", end);
  expiry = options.clock.after(run.lifetimeMs, end, undefined);
  // The headers wait for one turn, so that a version that is too old can still be answered with HTTP 410.
  opening = options.clock.after(0, open, undefined);
  stopStore = options.store.watch({
    kind: options.kind,
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    fromVersion: run.fromVersion,
    onEvent: (event) => {
      const type = changes(event);
      if (type !== null) write(type, toWire(event.resource));
    },
    onError: (error) => {
      const status = toStatusError(error).status;
      if (response.headersSent) {
        write("ERROR", status);
      } else {
        response.writeHead(status.code, { "content-type": "application/json" });
        response.write(`${JSON.stringify(status)}\n`);
      }
      end();
    },
  });
  if (!options.watches.open.has(end)) stopStore();
}

/**
 * What an event means to one who sees only what the filter accepts: a resource that stops fitting is DELETED, one that
 * begins to fit is ADDED. Of a resource not seen yet it is unknown whether it fitted before; then one DELETED too many
 * is sent rather than one too few.
 */
function createSelection(filter: ListFilter): (event: WatchEvent) => WatchEvent["type"] | null {
  if (filter.isEmpty) return (event) => event.type;
  const fitted = new Map<string, boolean>();
  return ({ type, resource }) => {
    const id = `${resource.metadata.namespace}/${resource.metadata.name}`;
    const before = fitted.get(id);
    const fits = filter.accepts(resource);
    if (type === "DELETED") {
      fitted.delete(id);
      return fits || before === true ? "DELETED" : null;
    }
    fitted.set(id, fits);
    if (fits) return before === false ? "ADDED" : type;
    return type === "MODIFIED" && before !== false ? "DELETED" : null;
  };
}

function readLifetimeMs({ query, random }: WatchOptions): number {
  const text = query.get("timeoutSeconds");
  if (text === null || text === "0") return MIN_WATCH_MS * (1 + random.next());
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  throw new StatusError("BadRequest", `Cannot watch: found timeoutSeconds "${text}"; expected a whole number`);
}

function readFromVersion(query: URLSearchParams): string {
  const text = query.get("resourceVersion") ?? "";
  if (text === "") return "0";
  if (/^\d{1,20}$/.test(text)) return text;
  throw new StatusError(
    "BadRequest",
    `Cannot watch: found resourceVersion "${text}"; expected one that a list or an event had`,
  );
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

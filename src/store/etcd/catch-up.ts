import { isWatched } from "../watch-filter.ts";
import type { Resource } from "../../resources/resource.ts";
import type { WatchEvent, WatchOptions } from "../store.ts";
import type { EtcdClient, EtcdEvent } from "./etcd-client.ts";
import { tooOldError } from "./etcd-failure.ts";
import type { EtcdKeys } from "./etcd-keys.ts";
import { decodeResource, withVersion } from "./resource-value.ts";

export interface CatchUpOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly watch: WatchOptions;
  /** Events after this revision are delivered. */
  readonly fromRevision: number;
  /** The oldest revision at which the view can take over; it may grow meanwhile. */
  readonly target: () => number;
  /** Everything up to `revision` was delivered, and the view has the rest. */
  readonly onCaughtUp: (revision: number) => void;
  readonly onError: (error: Error) => void;
}

/**
 * Delivers to one watcher what the view no longer has and etcd still does: a client of a control plane that was restarted,
 * or of another replica, goes on where it was. Returns a function that stops.
 */
export function catchUp(options: CatchUpOptions): () => void {
  const { client, keys, watch } = options;
  let stopped = false;
  const finish = (call: () => void): void => {
    if (stopped) return;
    stopped = true;
    stop();
    call();
  };
  const stop = client.watch({
    key: keys.resources,
    rangeEnd: keys.resourcesEnd,
    fromRevision: options.fromRevision + 1,
    previous: true,
    onEvents: (events, revision) => {
      for (const event of events) {
        if (stopped) return;
        if (event.kv.key === keys.version) continue;
        const change = toChange(keys, event);
        if (change === "lost") {
          finish(() => options.onError(tooOldError("an event whose last state etcd has compacted away", 0)));
          return;
        }
        if (change !== null && isWatched(watch, change.resource)) watch.onEvent(change);
      }
      if (revision >= options.target()) finish(() => options.onCaughtUp(revision));
    },
    onEnd: (error) => finish(() => options.onError(error)),
  });
  return () => {
    stopped = true;
    stop();
  };
}

/** Null when it is nobody's resource; "lost" when the last state of what was deleted is gone. */
function toChange(keys: EtcdKeys, event: EtcdEvent): WatchEvent | "lost" | null {
  const { kv, previous } = event;
  if (event.type === "DELETE") {
    if (previous === null) return "lost";
    const last: Resource | null = decodeResource(keys, previous);
    return last === null ? null : { type: "DELETED", resource: withVersion(last, kv.modRevision) };
  }
  const resource = decodeResource(keys, kv);
  if (resource === null) return null;
  return { type: kv.createRevision === kv.modRevision ? "ADDED" : "MODIFIED", resource };
}

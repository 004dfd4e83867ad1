import type { Resource } from "../resources/resource.ts";
import type { Store } from "../store/store.ts";
import { assertNotAhead, assertVersion } from "./rest/list-version.ts";
import type { ListFilter } from "./list-filter.ts";
import type { ResourceTarget } from "./resource-target.ts";
import { StatusError } from "./status.ts";

/** Where a watch begins. */
export interface WatchStart {
  /** Sent as ADDED before anything else. */
  readonly initial: readonly Resource[];
  /** A bookmark follows `initial`, to say that it was all. */
  readonly isBookmarked: boolean;
  /** Events after this version follow. */
  readonly fromVersion: string;
  /** All that exists as of `existingVersion`, chosen or not; empty when nothing is filtered. */
  readonly existing: readonly Resource[];
  readonly existingVersion: string;
}

export interface WatchStartOptions {
  readonly store: Store;
  readonly target: ResourceTarget;
  readonly filter: ListFilter;
  readonly query: URLSearchParams;
}

/** Throws StatusError BadRequest, Invalid, or Timeout for a version that the store has not come to. */
export async function readWatchStart({ store, target, filter, query }: WatchStartOptions): Promise<WatchStart> {
  const version = query.get("resourceVersion") ?? "";
  if (version !== "") assertVersion(version);
  const wish = readInitialEvents(query);
  // As in Kubernetes: without a version, or from any, all that exists comes first, unless the client says otherwise.
  const hasInitial = wish ?? (version === "" || version === "0");
  if (!hasInitial && version !== "" && version !== "0" && filter.isEmpty) {
    return { initial: [], isBookmarked: false, fromVersion: version, existing: [], existingVersion: version };
  }
  const kind = { group: target.definition.group, kind: target.definition.kind };
  const found = await store.list(kind, target.namespace === "" ? undefined : target.namespace);
  if (wish === true && version !== "") assertNotAhead(version, found.resourceVersion);
  const isNewest = hasInitial || version === "" || version === "0";
  return {
    initial: hasInitial ? found.items.filter((item) => filter.accepts(item)) : [],
    isBookmarked: wish === true,
    fromVersion: isNewest ? found.resourceVersion : version,
    existing: filter.isEmpty ? [] : found.items,
    existingVersion: found.resourceVersion,
  };
}

/** `sendInitialEvents`; null: the client leaves it to the version. */
function readInitialEvents(query: URLSearchParams): boolean | null {
  const text = query.get("sendInitialEvents") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  if (text === "") {
    if (match === "") return null;
    throw invalid(`resourceVersionMatch ${JSON.stringify(match)}`, "none in a watch without sendInitialEvents");
  }
  if (text !== "true" && text !== "false" && text !== "1" && text !== "0") {
    throw invalid(`sendInitialEvents ${JSON.stringify(text)}`, "true or false");
  }
  if (match !== "NotOlderThan") {
    throw invalid(
      `sendInitialEvents with resourceVersionMatch ${JSON.stringify(match)}`,
      "resourceVersionMatch NotOlderThan",
    );
  }
  return text === "true" || text === "1";
}

function invalid(found: string, expected: string): StatusError {
  return new StatusError("Invalid", `Cannot watch: found ${found}; expected ${expected}`);
}

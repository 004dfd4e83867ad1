import type { Action } from "./operations.ts";

/** A query parameter; kubectl looks here for what it may ask for. */
export interface QueryParameter {
  readonly name: string;
  readonly type: "boolean" | "integer" | "string";
  readonly description: string;
}

const LABELS: readonly QueryParameter[] = [
  text("labelSelector", "Only what has these labels, e.g. app=web,tier!=db."),
  text("fieldSelector", "Only what has these values in its fields, e.g. metadata.name=web."),
];

const LIST: readonly QueryParameter[] = [
  ...LABELS,
  {
    name: "allowWatchBookmarks",
    type: "boolean",
    description: "Of a watch: also events that only tell the version reached.",
  },
  text("continue", "Where the page begins: from the list before."),
  { name: "limit", type: "integer", description: "How many at most; the list then says where the next page begins." },
  text("resourceVersion", "Of a list: as it was, or newer. Of a watch: what came after it."),
  text("resourceVersionMatch", "Exact or NotOlderThan: how resourceVersion of a list is meant."),
  {
    name: "sendInitialEvents",
    type: "boolean",
    description: "Of a watch: begins with what there is, then a bookmark.",
  },
  { name: "timeoutSeconds", type: "integer", description: "Of a watch: how long it stays open." },
  { name: "watch", type: "boolean", description: "Events as they happen, instead of a list." },
];

const WRITE: readonly QueryParameter[] = [
  text("dryRun", "All: everything is checked and answered as if it were done, and nothing is stored."),
  text("fieldManager", "Who writes, as metadata.managedFields names it."),
  text(
    "fieldValidation",
    "Strict, Warn or Ignore: what is done about fields that stand twice. Unknown ones are refused.",
  ),
];

const PATCH: readonly QueryParameter[] = [
  ...WRITE,
  { name: "force", type: "boolean", description: "Of server-side apply: takes over fields that others own." },
];

const DELETE: readonly QueryParameter[] = [
  text("dryRun", "All: nothing is deleted, and the answer is as if it were."),
  { name: "gracePeriodSeconds", type: "integer", description: "Kept for Kubernetes' clients; nothing here waits." },
  {
    name: "orphanDependents",
    type: "boolean",
    description: "Older than propagationPolicy: true is Orphan, false is Background.",
  },
  text("propagationPolicy", "What happens to what belongs to the object: Background, Foreground or Orphan."),
];

const BY_ACTION: Readonly<Record<Action, readonly QueryParameter[]>> = {
  list: LIST,
  get: [],
  post: WRITE,
  put: WRITE,
  patch: PATCH,
  delete: DELETE,
  deletecollection: [...LABELS, ...DELETE],
};

export function chooseQuery(action: Action): readonly QueryParameter[] {
  return BY_ACTION[action];
}

function text(name: string, description: string): QueryParameter {
  return { name, type: "string", description };
}

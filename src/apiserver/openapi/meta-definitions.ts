import { listMergeRules } from "../../resources/merge-keys.ts";
import { KINDS, type KindDefinition } from "../../resources/registry.ts";
import {
  DELETE_OPTIONS,
  FIELDS_V1,
  INT_OR_STRING,
  LIST_META,
  MANAGED_FIELDS_ENTRY,
  OBJECT_META,
  OWNER_REFERENCE,
  PATCH,
  PRECONDITIONS,
  RAW_EXTENSION,
  STATUS,
  STATUS_CAUSE,
  STATUS_DETAILS,
  TIME,
  WATCH_EVENT,
} from "./definition-names.ts";
import type { Definitions, JsonSchema } from "./json-schema.ts";
import { addMergeRules, API_VERSION, KIND } from "./kind-schema.ts";

/** What all kinds share, under the names that Kubernetes gives it. */
export function createMetaDefinitions(): Definitions {
  const [anyKind] = KINDS;
  const rules = anyKind === undefined ? new Map() : listMergeRules(anyKind);
  return {
    [OBJECT_META]: addMergeRules(OBJECT_META_SCHEMA, "metadata", rules),
    [LIST_META]: LIST_META_SCHEMA,
    [OWNER_REFERENCE]: { ...OWNER_REFERENCE_SCHEMA, "x-kubernetes-map-type": "atomic" },
    [MANAGED_FIELDS_ENTRY]: MANAGED_FIELDS_SCHEMA,
    [FIELDS_V1]: {
      type: "object",
      description: "Fields, as a tree: f:<name> for a field, k:<keys> for an entry of a list.",
    },
    [TIME]: { type: "string", format: "date-time", description: "A time in RFC 3339." },
    [STATUS]: { ...STATUS_SCHEMA, ...groupVersionKinds([{ group: "", version: "v1", kind: "Status" }]) },
    [STATUS_DETAILS]: STATUS_DETAILS_SCHEMA,
    [STATUS_CAUSE]: STATUS_CAUSE_SCHEMA,
    [DELETE_OPTIONS]: { ...DELETE_OPTIONS_SCHEMA, ...everyGroup("DeleteOptions") },
    [PRECONDITIONS]: PRECONDITIONS_SCHEMA,
    [PATCH]: { type: "object", description: "A patch in one of the forms that the content type names." },
    [WATCH_EVENT]: { ...WATCH_EVENT_SCHEMA, ...everyGroup("WatchEvent") },
    [INT_OR_STRING]: {
      anyOf: [{ type: "integer" }, { type: "string" }],
      format: "int-or-string",
      description: "A number, or a text.",
      "x-kubernetes-int-or-string": true,
    },
    [RAW_EXTENSION]: { type: "object", description: "An object of any kind." },
  };
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export function groupVersionKinds(kinds: readonly GroupVersionKind[]): JsonSchema {
  return {
    "x-kubernetes-group-version-kind": kinds.map(({ group, version, kind }) => ({ group, version, kind })),
  };
}

/** Options and events belong to every group. */
function everyGroup(kind: string): JsonSchema {
  const versions = new Map(
    KINDS.map(({ group, version }: KindDefinition) => [`${group}/${version}`, { group, version }]),
  );
  return groupVersionKinds([...versions.values()].map(({ group, version }) => ({ group, version, kind })));
}

function text(description: string): JsonSchema {
  return { type: "string", description };
}

function flag(description: string): JsonSchema {
  return { type: "boolean", description };
}

function whole(description: string): JsonSchema {
  return { type: "integer", format: "int64", description };
}

function texts(description: string): JsonSchema {
  return { type: "array", items: { type: "string" }, description };
}

function textMap(description: string): JsonSchema {
  return { type: "object", additionalProperties: { type: "string" }, description };
}

const OBJECT_META_SCHEMA: JsonSchema = {
  type: "object",
  description: "What the API keeps about every object.",
  properties: {
    annotations: textMap("Notes by name, for tools and people; at most 256 KiB. Nothing is selected by them."),
    creationTimestamp: { $ref: TIME, description: "When the object was created. Only the server writes it." },
    deletionGracePeriodSeconds: whole("Kept for Kubernetes' clients; nothing here waits. Only the server writes it."),
    deletionTimestamp: {
      $ref: TIME,
      description: "Set: the object is being deleted and waits for its finalizers. Only the server writes it.",
    },
    finalizers: texts("Who has something to do before the object goes: it stays until the list is empty."),
    generateName: text("A beginning of a name: with no name, the server appends five characters to it."),
    generation: whole("Rises with every change of what is wanted. Only the server writes it."),
    labels: textMap("Values by name, by which objects are selected."),
    managedFields: {
      type: "array",
      items: { $ref: MANAGED_FIELDS_ENTRY },
      description: "Who set which fields: server-side apply goes by it. Only the server writes it.",
    },
    name: text("The name: unique among the objects of the kind in their namespace. It cannot be changed."),
    namespace: text('The namespace; default "default". Kinds of the whole mesh have none.'),
    ownerReferences: {
      type: "array",
      items: { $ref: OWNER_REFERENCE },
      description: "What the object belongs to: it is deleted when the last of these is gone.",
    },
    resourceVersion: text("Changes with every write. Sent with a write, it refuses one that would undo another's."),
    selfLink: text("Not used: accepted, and not kept."),
    uid: text("Tells the object from an earlier one of the same name. Only the server writes it."),
  },
};

const LIST_META_SCHEMA: JsonSchema = {
  type: "object",
  description: "What the API says about a list.",
  properties: {
    continue: text("Where the next page begins: send it as the parameter of this name."),
    remainingItemCount: whole("How many more there are, where that is known."),
    resourceVersion: text("The version of the list: a watch can begin here."),
    selfLink: text("Not used."),
  },
};

const OWNER_REFERENCE_SCHEMA: JsonSchema = {
  type: "object",
  description: "An object of the same namespace, or of the whole mesh, that this one belongs to.",
  required: ["apiVersion", "kind", "name", "uid"],
  properties: {
    apiVersion: text("The group and version of its kind."),
    blockOwnerDeletion: flag("Foreground deletion of the owner waits until this object is gone."),
    controller: flag("The one owner that looks after this object."),
    kind: text("Its kind."),
    name: text("Its name."),
    uid: text("Its uid: another object of the same name is no owner."),
  },
};

const MANAGED_FIELDS_SCHEMA: JsonSchema = {
  type: "object",
  description: "The fields that one writer set.",
  properties: {
    apiVersion: text("The version of the object that the fields are of."),
    fieldsType: text("FieldsV1."),
    fieldsV1: { $ref: FIELDS_V1, description: "The fields." },
    manager: text("Who set them."),
    operation: text("Apply (server-side apply) or Update (everything else)."),
    subresource: text("The subresource through which they were set; empty for the object itself."),
    time: { $ref: TIME, description: "When they were set last." },
  },
};

const STATUS_CAUSE_SCHEMA: JsonSchema = {
  type: "object",
  description: "One of the things that are wrong.",
  properties: {
    field: text("Where in the object, e.g. spec.backends[1].weight."),
    message: text("What was found, and what was expected."),
    reason: text("A word for programs."),
  },
};

const STATUS_DETAILS_SCHEMA: JsonSchema = {
  type: "object",
  description: "What an answer is about.",
  properties: {
    causes: { type: "array", items: { $ref: STATUS_CAUSE }, description: "Each thing that is wrong." },
    group: text("The group of the kind."),
    kind: text("The kind, as in the path."),
    name: text("The name of the object."),
    retryAfterSeconds: { type: "integer", format: "int32", description: "When to try again." },
    uid: text("The uid of the object."),
  },
};

const STATUS_SCHEMA: JsonSchema = {
  type: "object",
  description: "An answer that is no object: what went wrong, or that all went well.",
  properties: {
    apiVersion: API_VERSION,
    code: { type: "integer", format: "int32", description: "The HTTP status." },
    details: { $ref: STATUS_DETAILS, description: "What it is about." },
    kind: KIND,
    message: text("What happened, for people."),
    metadata: { $ref: LIST_META, description: "Empty." },
    reason: text("What happened, for programs."),
    status: text("Success or Failure."),
  },
};

const PRECONDITIONS_SCHEMA: JsonSchema = {
  type: "object",
  description: "What must be so for the deletion to happen.",
  properties: {
    resourceVersion: text("The object has this version."),
    uid: text("The object has this uid."),
  },
};

const DELETE_OPTIONS_SCHEMA: JsonSchema = {
  type: "object",
  description: "How to delete. May be left out.",
  properties: {
    apiVersion: API_VERSION,
    dryRun: texts("All: nothing is deleted, and the answer is as if it were."),
    gracePeriodSeconds: whole("Kept for Kubernetes' clients; nothing here waits."),
    kind: KIND,
    orphanDependents: flag("Older than propagationPolicy: true is Orphan, false is Background."),
    preconditions: { $ref: PRECONDITIONS, description: "What must be so, else nothing is deleted." },
    propagationPolicy: text("What happens to what belongs to the object: Background (default), Foreground or Orphan."),
  },
};

const WATCH_EVENT_SCHEMA: JsonSchema = {
  type: "object",
  description: "One line of a watch.",
  required: ["type", "object"],
  properties: {
    object: { $ref: RAW_EXTENSION, description: "The object as it is now; of ERROR, a Status." },
    type: text("ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."),
  },
};

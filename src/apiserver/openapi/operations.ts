import { METRICS_GROUP } from "../metrics/metrics-kinds.ts";
import { formatApiVersion, type KindDefinition, SERVED_KINDS } from "../../resources/registry.ts";
import { PATCH_TYPES } from "../rest/patch-resource.ts";
import { DELETE_OPTIONS, nameDefinition, PATCH, STATUS } from "./definition-names.ts";
import type { GroupVersionKind } from "./meta-definitions.ts";
import { listMetricsOperations } from "./metrics-openapi.ts";
import { chooseQuery, type QueryParameter } from "./query-parameters.ts";

/** What can be done at one path, in terms that both versions of OpenAPI have. */
export interface Operation {
  readonly path: string;
  readonly method: "get" | "put" | "post" | "patch" | "delete";
  /** Kubernetes' word: `x-kubernetes-action`. */
  readonly action: Action;
  readonly id: string;
  readonly description: string;
  readonly kind: GroupVersionKind;
  /** `core_v1`, as Kubernetes tags them. */
  readonly tag: string;
  readonly query: readonly QueryParameter[];
  /** Name of the definition of the body; null: no body. */
  readonly body: {
    readonly definition: string;
    readonly types: readonly string[];
    readonly isRequired: boolean;
  } | null;
  /** Name of the definition of the answer. */
  readonly answer: string;
  /** Statuses of a successful answer. */
  readonly statusCodes: readonly number[];
}

export type Action = "list" | "get" | "post" | "put" | "patch" | "delete" | "deletecollection";

/** `{namespace}` and `{name}` of a path. */
export const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  name: "Name of the object.",
  namespace: "Namespace of the object.",
};

const OBJECT_TYPES: readonly string[] = ["application/json", "application/yaml"];

/** Of all kinds of one group and version. */
export function listOperations(group: string, version: string): readonly Operation[] {
  if (group === METRICS_GROUP) return listMetricsOperations();
  const kinds = SERVED_KINDS.filter((definition) => definition.group === group && definition.version === version);
  return kinds.flatMap((definition) => operationsOf(definition));
}

function operationsOf(definition: KindDefinition): readonly Operation[] {
  const { group, version, kind, plural, namespaced, hasStatus } = definition;
  const root = group === "" ? `/api/${version}` : `/apis/${formatApiVersion(group, version)}`;
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
  const object = `${collection}/{name}`;
  const scope = `${capitalize(group === "" ? "core" : nameGroup(group))}${capitalize(version)}`;
  const place = namespaced ? "Namespaced" : "";
  const describe = (path: string, action: Action, name: string, description: string): Operation =>
    createOperation(definition, { path, action, id: name, description });
  return [
    ...(namespaced
      ? [
          describe(
            `${root}/${plural}`,
            "list",
            `list${scope}${kind}ForAllNamespaces`,
            `lists ${plural} of every namespace`,
          ),
        ]
      : []),
    describe(collection, "list", `list${scope}${place}${kind}`, `lists or watches ${plural}`),
    describe(collection, "post", `create${scope}${place}${kind}`, `creates a ${kind}`),
    describe(collection, "deletecollection", `delete${scope}Collection${place}${kind}`, `deletes ${plural}`),
    ...objectOperations(object, `${scope}${place}${kind}`, `a ${kind}`, describe),
    ...(hasStatus
      ? objectOperations(
          `${object}/status`,
          `${scope}${place}${kind}Status`,
          `the status of a ${kind}`,
          describe,
        ).filter(({ action }) => action !== "delete")
      : []),
  ];
}

function objectOperations(
  path: string,
  suffix: string,
  what: string,
  describe: (path: string, action: Action, name: string, description: string) => Operation,
): readonly Operation[] {
  return [
    describe(path, "get", `read${suffix}`, `reads ${what}`),
    describe(path, "put", `replace${suffix}`, `replaces ${what}`),
    describe(path, "patch", `patch${suffix}`, `changes parts of ${what}`),
    describe(path, "delete", `delete${suffix}`, `deletes ${what}`),
  ];
}

function createOperation(
  definition: KindDefinition,
  { path, action, id, description }: Pick<Operation, "path" | "action" | "id" | "description">,
): Operation {
  const { group, version, kind } = definition;
  const name = nameDefinition(definition);
  return {
    path,
    method: METHODS[action],
    action,
    id,
    description,
    kind: { group, version, kind },
    tag: `${group === "" ? "core" : nameGroup(group)}_${version}`,
    query: chooseQuery(action),
    body: chooseBody(action, name),
    answer: action === "list" ? `${name}List` : action === "deletecollection" ? STATUS : name,
    statusCodes: STATUS_CODES[action],
  };
}

const METHODS: Readonly<Record<Action, Operation["method"]>> = {
  list: "get",
  get: "get",
  post: "post",
  put: "put",
  patch: "patch",
  delete: "delete",
  deletecollection: "delete",
};

const STATUS_CODES: Readonly<Record<Action, readonly number[]>> = {
  list: [200],
  get: [200],
  post: [201],
  put: [200],
  patch: [200, 201],
  delete: [200, 202],
  deletecollection: [200],
};

function chooseBody(action: Action, name: string): Operation["body"] {
  switch (action) {
    case "post":
    case "put":
      return { definition: name, types: OBJECT_TYPES, isRequired: true };
    case "patch":
      return { definition: PATCH, types: PATCH_TYPES, isRequired: true };
    case "delete":
    case "deletecollection":
      return { definition: DELETE_OPTIONS, types: OBJECT_TYPES, isRequired: false };
    default:
      return null;
  }
}

/** `discovery.k8s.io` is `discovery` in Kubernetes' names; `split.smi-spec.io` becomes `splitSmiSpecIo`. */
function nameGroup(group: string): string {
  const own = group.endsWith(".k8s.io") ? group.slice(0, -".k8s.io".length) : group;
  const [first = "", ...rest] = own.split(/[.-]/);
  return `${first}${rest.map(capitalize).join("")}`;
}

function capitalize(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

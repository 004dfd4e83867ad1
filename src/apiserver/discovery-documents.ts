import { createHash } from "node:crypto";
import { METRICS_GROUP, METRICS_KINDS, METRICS_VERBS, METRICS_VERSION } from "./metrics/metrics-kinds.ts";
import { formatApiVersion, type KindDefinition, KINDS, SERVED_KINDS } from "../resources/registry.ts";

/** What kinds there are and what can be done with them, in each of the forms that Kubernetes clients ask for. */

const VERBS: readonly string[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS_VERBS: readonly string[] = ["get", "patch", "update"];

/** All groups but the core one, in the order of the registry. That of metrics is last: of equal names clients take the first. */
export function listGroups(): readonly string[] {
  return [...[...new Set(KINDS.map((kind) => kind.group))].filter((group) => group !== ""), METRICS_GROUP];
}

export function listVersions(group: string): readonly string[] {
  if (group === METRICS_GROUP) return [METRICS_VERSION];
  // The newest, which are the stored ones, come first: of these clients take the first.
  const kinds = SERVED_KINDS.filter((kind) => kind.group === group);
  return [...new Set(kinds.map((kind) => kind.version))];
}

/** `/api`. */
export function createApiVersions(): object {
  return { kind: "APIVersions", versions: listVersions(""), serverAddressByClientCIDRs: [] };
}

/** `/apis`. */
export function createGroupList(): object {
  return { kind: "APIGroupList", apiVersion: "v1", groups: listGroups().map(toGroup) };
}

/** `/apis/<group>`. */
export function createGroup(group: string): object {
  return { kind: "APIGroup", apiVersion: "v1", ...toGroup(group) };
}

/** `/api/v1`, `/apis/<group>/<version>`. */
export function createResourceList(group: string, version: string): object {
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: formatApiVersion(group, version),
    resources: group === METRICS_GROUP ? listMeasured() : listKinds(group, version).flatMap(toApiResources),
  };
}

/** All of it at once: what kubectl since 1.26 asks `/api` and `/apis` for. */
export function createAggregatedDiscovery(groups: readonly string[], version: string): object {
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: listVersions(group).map((name) => ({
        version: name,
        resources: group === METRICS_GROUP ? discoverMeasured() : listKinds(group, name).map(toResourceDiscovery),
        freshness: "Current",
      })),
    })),
  };
}

function listKinds(group: string, version: string): readonly KindDefinition[] {
  return SERVED_KINDS.filter((kind) => kind.group === group && kind.version === version);
}

/** What can be measured is no kind of its own: whatever it is of, the answer is TrafficMetrics. */
function listMeasured(): readonly object[] {
  return METRICS_KINDS.flatMap(({ plural, singular, namespaced }) => {
    const rest = { namespaced, kind: "TrafficMetrics" };
    return [
      { name: plural, singularName: singular, ...rest, verbs: METRICS_VERBS },
      { name: `${plural}/edges`, singularName: "", ...rest, verbs: ["get"] },
    ];
  });
}

function discoverMeasured(): readonly object[] {
  const responseKind = { group: METRICS_GROUP, version: METRICS_VERSION, kind: "TrafficMetrics" };
  return METRICS_KINDS.map(({ plural, singular, namespaced }) => ({
    resource: plural,
    responseKind,
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: METRICS_VERBS,
    subresources: [{ subresource: "edges", responseKind, verbs: ["get"] }],
  }));
}

function toGroup(name: string): object {
  const versions = listVersions(name).map((version) => ({ groupVersion: formatApiVersion(name, version), version }));
  return { name, versions, preferredVersion: versions[0] };
}

function toApiResources(definition: KindDefinition): readonly object[] {
  const { plural, singular, namespaced, kind, hasStatus } = definition;
  const resource = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs: VERBS,
    ...toWords(definition),
    storageVersionHash: hashStorageVersion(definition),
  };
  if (!hasStatus) return [resource];
  return [resource, { name: `${plural}/status`, singularName: "", namespaced, kind, verbs: STATUS_VERBS }];
}

function toResourceDiscovery(definition: KindDefinition): object {
  const { group, version, kind, plural, singular, namespaced, hasStatus } = definition;
  const responseKind = { group, version, kind };
  return {
    resource: plural,
    responseKind,
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: VERBS,
    ...toWords(definition),
    ...(hasStatus ? { subresources: [{ subresource: "status", responseKind, verbs: STATUS_VERBS }] } : {}),
  };
}

function toWords({ shortNames, categories }: KindDefinition): object {
  return {
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
  };
}

/** Equal as long as objects are stored in the same version; clients only compare it. */
function hashStorageVersion({ group, kind }: KindDefinition): string {
  const version = KINDS.find((known) => known.group === group && known.kind === kind)?.version ?? "";
  return createHash("sha256").update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString("base64");
}

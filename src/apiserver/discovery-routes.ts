import { formatApiVersion, type KindDefinition, KINDS } from "../resources/registry.ts";
import { type ApiRoute, json } from "./api-route.ts";

const VERBS: readonly string[] = ["create", "delete", "get", "list", "update", "watch"];

/** What kinds there are, as Kubernetes clients ask for it: /api, /apis, /api/v1, /apis/{group}/{version}, /version. */
export function createDiscoveryRoutes(weftVersion: string): readonly ApiRoute[] {
  const routes: ApiRoute[] = [
    {
      method: "GET",
      path: "/api",
      access: "authenticated",
      answer: () => json({ kind: "APIVersions", versions: versionsOf("") }),
    },
    {
      method: "GET",
      path: "/apis",
      access: "authenticated",
      answer: () => json({ kind: "APIGroupList", apiVersion: "v1", groups: groups().map(toGroup) }),
    },
    { method: "GET", path: "/version", access: "authenticated", answer: () => json(toVersion(weftVersion)) },
  ];
  for (const group of ["", ...groups()]) {
    if (group !== "")
      routes.push({
        method: "GET",
        path: `/apis/${group}`,
        access: "authenticated",
        answer: () => json({ kind: "APIGroup", apiVersion: "v1", ...toGroup(group) }),
      });
    for (const version of versionsOf(group)) {
      const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
      routes.push({ method: "GET", path, access: "authenticated", answer: () => json(toResourceList(group, version)) });
    }
  }
  return routes;
}

function groups(): readonly string[] {
  return [...new Set(KINDS.map((kind) => kind.group))].filter((group) => group !== "");
}

function versionsOf(group: string): readonly string[] {
  return [...new Set(KINDS.filter((kind) => kind.group === group).map((kind) => kind.version))];
}

function toGroup(name: string): object {
  const versions = versionsOf(name).map((version) => ({ groupVersion: formatApiVersion(name, version), version }));
  return { name, versions, preferredVersion: versions[0] };
}

function toResourceList(group: string, version: string): object {
  const kinds = KINDS.filter((kind) => kind.group === group && kind.version === version);
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: formatApiVersion(group, version),
    resources: kinds.map(toApiResource),
  };
}

function toApiResource(kind: KindDefinition): object {
  return {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: VERBS,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
  };
}

/** The Kubernetes version whose API conventions this server follows, with weft's own behind it. */
function toVersion(weftVersion: string): object {
  return {
    major: "1",
    minor: "33",
    gitVersion: `v1.33.0+weft-${weftVersion}`,
    platform: `${process.platform}/${process.arch}`,
  };
}

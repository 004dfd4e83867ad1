import { INT_OR_STRING } from "../../../src/apiserver/openapi/definition-names.ts";
import { type JsonSchema, mapSchema } from "../../../src/apiserver/openapi/json-schema.ts";
import { createKindSchema } from "../../../src/apiserver/openapi/kind-schema.ts";
import { KINDS, type KindDefinition } from "../../../src/resources/registry.ts";

const OWN_GROUP = /smi-spec\.io$|^weft\.dev$/;

/** A CustomResourceDefinition for each of our kinds that Kubernetes does not have, of the schema that we publish. */
export function listDefinitions(): readonly object[] {
  return KINDS.filter(({ group }) => OWN_GROUP.test(group)).map(toDefinition);
}

function toDefinition(definition: KindDefinition): object {
  const { group, version, kind, plural, singular, shortNames, categories, namespaced, hasStatus } = definition;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      annotations: { "api-approved.kubernetes.io": "unapproved, a local comparison" },
    },
    spec: {
      group,
      scope: namespaced ? "Namespaced" : "Cluster",
      names: { kind, plural, singular, shortNames, categories },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: toStructural(createKindSchema(definition)) },
          ...(hasStatus ? { subresources: { status: {} } } : {}),
        },
      ],
    },
  };
}

/** What Kubernetes takes as the schema of a custom resource: types everywhere, no references, repetitions up to 1000. */
function toStructural(schema: JsonSchema): JsonSchema {
  const { metadata: _implied, ...properties } = schema.properties ?? {};
  return mapSchema({ ...schema, properties }, (part) => {
    const {
      $ref: reference,
      anyOf,
      pattern,
      "x-kubernetes-patch-strategy": _strategy,
      "x-kubernetes-patch-merge-key": _key,
      "x-kubernetes-map-type": mapType,
      ...kept
    } = part;
    if (reference === INT_OR_STRING) return { ...kept, "x-kubernetes-int-or-string": true };
    if (kept.type === undefined || anyOf !== undefined)
      return { ...kept, "x-kubernetes-preserve-unknown-fields": true };
    const isLong = pattern !== undefined && /\{\d+,\d{4,}\}/.test(pattern);
    return {
      ...kept,
      ...(pattern === undefined || isLong ? {} : { pattern }),
      ...(mapType === undefined ? {} : { "x-kubernetes-map-type": mapType }),
    };
  });
}

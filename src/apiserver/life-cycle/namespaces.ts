import { WeftError } from "../../lib/weft-error.ts";
import { NAMESPACE_NAME_LABEL } from "../../resources/namespace.ts";
import { DEFAULT_NAMESPACE } from "../../resources/object-meta-schema.ts";
import type { Resource } from "../../resources/resource.ts";
import type { ResourceKey, Store } from "../../store/store.ts";
import { StatusError } from "../status.ts";

/**
 * Makes the namespace when there is none yet: one comes into being with its first resource. Throws StatusError Forbidden
 * when it is being deleted. `isDryRun`: only looks.
 */
export async function enterNamespace(store: Store, name: string, isDryRun: boolean): Promise<void> {
  const found = await store.get(namespaceKey(name));
  if (found !== null) {
    assertTakesResources(found);
    return;
  }
  if (isDryRun) return;
  try {
    await store.put(createNamespace(name), { ifVersion: "absent" });
  } catch (error) {
    // Somebody else made it just now: then it is there, and new.
    if (!(error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT")) throw error;
  }
}

export function namespaceKey(name: string): ResourceKey {
  return { group: "", kind: "Namespace", namespace: "", name };
}

export function isNamespace(resource: Pick<Resource, "apiVersion" | "kind">): boolean {
  return resource.kind === "Namespace" && resource.apiVersion === "v1";
}

/** A Namespace with what the server always writes into one. */
export function completeNamespace(namespace: Resource): Resource {
  const { metadata, status } = namespace;
  const phase = metadata.deletionTimestamp === undefined ? "Active" : "Terminating";
  return {
    ...namespace,
    metadata: { ...metadata, labels: { ...metadata.labels, [NAMESPACE_NAME_LABEL]: metadata.name } },
    status: { ...(status as object | undefined), phase },
  };
}

/** Throws StatusError Forbidden: what says no namespace is in this one. */
export function assertDeletable(name: string): void {
  if (name !== DEFAULT_NAMESPACE) return;
  throw new StatusError(
    "Forbidden",
    `Cannot delete Namespace "${name}": found the namespace of all that says none; expected another`,
    { name, kind: "namespaces" },
  );
}

function createNamespace(name: string): Resource {
  return completeNamespace({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, namespace: "" },
    spec: { finalizers: ["kubernetes"] },
  });
}

function assertTakesResources({ metadata }: Resource): void {
  if (metadata.deletionTimestamp === undefined) return;
  const { name } = metadata;
  throw new StatusError(
    "Forbidden",
    `Cannot create anything in namespace "${name}": unable to create new content in namespace ${name} because it is being terminated`,
    {
      name,
      kind: "namespaces",
      // Controllers look for this cause, and stop.
      causes: [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${name} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    },
  );
}

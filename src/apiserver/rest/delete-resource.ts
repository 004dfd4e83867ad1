import type { Resource } from "../../resources/resource.ts";
import { type ApiAnswer, type ApiCall, json } from "../api-route.ts";
import { deleteObject, type DeletionOutcome } from "../life-cycle/delete-object.ts";
import { assertDeletable, isNamespace } from "../life-cycle/namespaces.ts";
import { parseListFilter } from "../list-filter.ts";
import { createPresenter } from "../present.ts";
import { conflict, describeTarget, detailsOf, notFound, type ResourceTarget } from "../resource-target.ts";
import { readInVersion } from "../served-version.ts";
import { StatusError } from "../status.ts";
import { type DeleteOptions, readDeleteOptions } from "./delete-options.ts";
import { answerOne } from "./get-resource.ts";
import { retryLostRaces } from "./lost-race.ts";
import { readTarget, toKey } from "./read-target.ts";
import type { RestContext } from "./rest-context.ts";

/** `DELETE` of one object: a Status when it is gone, the object when it waits for its finalizers. */
export async function deleteOne(context: RestContext, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const options = await readDeleteOptions(call);
  const outcome = await retryLostRaces(context, target, async () => {
    const found = await context.store.get(toKey(target));
    if (found === null) throw notFound(target);
    return remove(context, target, found, options);
  });
  if (outcome.isGone) return json(toSuccess(target, outcome.resource));
  return answerOne(context, call, outcome.resource, options.isAccepted ? 202 : 200);
}

/** `DELETE` of a collection: the list of what was deleted. What others delete meanwhile is left out. */
export async function deleteCollection(context: RestContext, call: ApiCall): Promise<ApiAnswer> {
  const collection = readTarget(call);
  const { definition, namespace } = collection;
  const filter = parseListFilter(call.query, definition);
  const options = await readDeleteOptions(call);
  const wallMs = (): number => context.clock.wallMs();
  const presenter = createPresenter({
    accept: call.headers.accept,
    query: call.query,
    definition,
    wallMs,
    answer: "list",
  });
  const kind = { group: definition.group, kind: definition.kind };
  const list = await context.store.list(kind, namespace === "" ? undefined : namespace);
  // Before anything is gone: the answer shows what was deleted.
  presenter.list(
    list.items.filter((item) => filter.accepts(item)),
    { resourceVersion: list.resourceVersion },
  );
  const deleted: Resource[] = [];
  for (const item of list.items) {
    if (!filter.accepts(item)) continue;
    const target = { definition, namespace: item.metadata.namespace, name: item.metadata.name };
    const resource = await retryLostRaces(context, target, async () => {
      const found = await context.store.get(toKey(target));
      // Only what was there when it was asked for: another of the same name was made since.
      if (found === null || found.metadata.uid !== item.metadata.uid || !filter.accepts(found)) return null;
      return (await remove(context, target, found, options)).resource;
    });
    if (resource !== null) deleted.push(resource);
  }
  return json(presenter.list(deleted, { resourceVersion: list.resourceVersion }));
}

async function remove(
  context: RestContext,
  target: ResourceTarget,
  found: Resource,
  options: DeleteOptions,
): Promise<DeletionOutcome> {
  assertPreconditions(target, found, options);
  readInVersion(target.definition, found);
  if (isNamespace(found)) assertDeletable(target.name);
  return deleteObject(context, found, options);
}

function assertPreconditions(target: ResourceTarget, found: Resource, options: DeleteOptions): void {
  const { uid, resourceVersion } = found.metadata;
  if (options.uid !== null && options.uid !== uid) {
    throw new StatusError(
      "Conflict",
      `Cannot delete ${describeTarget(target)}: Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid ?? ""}`,
      detailsOf(target),
    );
  }
  if (options.resourceVersion !== null && options.resourceVersion !== resourceVersion) {
    throw conflict(target, resourceVersion ?? "");
  }
}

function toSuccess(target: ResourceTarget, { metadata }: Resource): object {
  const details = { ...detailsOf(target), ...(metadata.uid === undefined ? {} : { uid: metadata.uid }) };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
}

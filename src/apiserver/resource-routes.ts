import { noteWrites } from "./access/note-writes.ts";
import type { ResourceAccess, Verb } from "./access/route-access.ts";
import type { ApiAnswer, ApiCall, ApiRoute } from "./api-route.ts";
import { RESOURCE_MEDIA } from "./negotiation.ts";
import { createOne } from "./rest/create-resource.ts";
import { deleteCollection, deleteOne } from "./rest/delete-resource.ts";
import { getOne } from "./rest/get-resource.ts";
import { listOrWatch } from "./rest/list-resources.ts";
import { ListPages } from "./rest/list-pages.ts";
import { patchOne } from "./rest/patch-resource.ts";
import { readStatusTarget, readTarget } from "./rest/read-target.ts";
import { replaceOne } from "./rest/replace-resource.ts";
import type { RestContext } from "./rest/rest-context.ts";

export type ResourceRoutesOptions = Omit<RestContext, "pages">;

/** Where the core group and all others stand. */
const PREFIXES: readonly string[] = ["/api/{version}", "/apis/{group}/{version}"];

/** The store as Kubernetes-style REST. */
export function createResourceRoutes(options: ResourceRoutesOptions): readonly ApiRoute[] {
  const context: RestContext = { ...options, pages: new ListPages(options) };
  const route = (
    method: ApiRoute["method"],
    path: string,
    verb: Verb,
    answer: (context: RestContext, call: ApiCall) => Promise<ApiAnswer>,
  ): ApiRoute => ({
    method,
    path,
    access: toAccess(verb, path),
    produces: RESOURCE_MEDIA,
    answer: (call) =>
      answer(method === "GET" ? context : { ...context, store: noteWrites(context.store, call.noteWrite) }, call),
  });
  return PREFIXES.flatMap((prefix): ApiRoute[] => {
    const collections = [`${prefix}/{plural}`, `${prefix}/namespaces/{namespace}/{plural}`];
    const objects = collections.map((path) => `${path}/{name}`);
    return [
      // Before the objects: `/api/v1/namespaces/shop/status` is no list of a kind "status".
      ...objects.flatMap((path) => [
        route("GET", `${path}/status`, "get", (it, call) => getOne(it, call, readStatusTarget(call))),
        route("PUT", `${path}/status`, "update", (it, call) => replaceOne(it, call, readStatusTarget(call), "status")),
        route("PATCH", `${path}/status`, "patch", (it, call) => patchOne(it, call, readStatusTarget(call), "status")),
      ]),
      ...collections.flatMap((path) => [
        route("GET", path, "list", listOrWatch),
        route("POST", path, "create", createOne),
        route("DELETE", path, "deletecollection", deleteCollection),
      ]),
      ...objects.flatMap((path) => [
        route("GET", path, "get", (it, call) => getOne(it, call, readTarget(call))),
        route("PUT", path, "update", (it, call) => replaceOne(it, call, readTarget(call), "")),
        route("PATCH", path, "patch", (it, call) => patchOne(it, call, readTarget(call), "")),
        route("DELETE", path, "delete", deleteOne),
      ]),
    ];
  });
}

function toAccess(verb: Verb, path: string): ResourceAccess {
  return { verb, resource: "path", ...(path.endsWith("/status") ? { subresource: "status" } : {}) };
}

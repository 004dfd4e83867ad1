import type { Resource } from "../../resources/resource.ts";
import { type ApiAnswer, type ApiCall, json } from "../api-route.ts";
import { createPresenter } from "../present.ts";
import { notFound, type ResourceTarget } from "../resource-target.ts";
import { readTarget, toKey } from "./read-target.ts";
import type { RestContext } from "./rest-context.ts";

/** `GET` of one object, also through its status path: the whole object either way. */
export async function getOne(context: RestContext, call: ApiCall, target: ResourceTarget): Promise<ApiAnswer> {
  const found = await context.store.get(toKey(target));
  if (found === null) throw notFound(target);
  return answerOne(context, call, found);
}

/** An object as the client wants it: whole, as a Table, or its metadata. */
export function answerOne(context: RestContext, call: ApiCall, resource: Resource, statusCode = 200): ApiAnswer {
  const { definition } = readTarget(call);
  const { accept } = call.headers;
  const wallMs = (): number => context.clock.wallMs();
  const presenter = createPresenter({ accept, query: call.query, definition, wallMs, answer: "one" });
  return json(presenter.one(resource), statusCode);
}

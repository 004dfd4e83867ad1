import type { Resource } from "../../resources/resource.ts";
import type { ApiAnswer, ApiCall } from "../api-route.ts";
import { isObject } from "../patch/json-value.ts";
import { conflict, notFound, type ResourceTarget } from "../resource-target.ts";
import { answerOne } from "./get-resource.ts";
import { isLostRace, retryLostRaces } from "./lost-race.ts";
import { readObject } from "./read-object.ts";
import { toKey } from "./read-target.ts";
import type { RestContext } from "./rest-context.ts";
import { writeObject } from "./write-object.ts";
import { readWriteOptions } from "./write-options.ts";

/** `PUT` of one object, or of its status. Without a resourceVersion in the body the last writer wins. */
export async function replaceOne(
  context: RestContext,
  call: ApiCall,
  target: ResourceTarget,
  subresource: "" | "status",
): Promise<ApiAnswer> {
  const options = readWriteOptions(call);
  const input = await readObject(call, options.fieldValidation);
  const replace = async (): Promise<Resource> => {
    const live = await context.store.get(toKey(target));
    if (live === null) throw notFound(target);
    return writeObject(context, { target, live, input, subresource, operation: "Update", options, warn: call.warn });
  };
  if (!isVersioned(input)) return answerOne(context, call, await retryLostRaces(context, target, replace));
  try {
    return answerOne(context, call, await replace());
  } catch (error) {
    if (isLostRace(error)) throw conflict(target, String(error.details["found"]));
    throw error;
  }
}

function isVersioned(input: unknown): boolean {
  const metadata = isObject(input) ? input["metadata"] : undefined;
  return isObject(metadata) && metadata["resourceVersion"] !== undefined && metadata["resourceVersion"] !== "";
}

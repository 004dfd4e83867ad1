import type { ApiAnswer, ApiCall } from "../api-route.ts";
import { isObject } from "../patch/json-value.ts";
import { alreadyExists } from "../resource-target.ts";
import { StatusError } from "../status.ts";
import { wantsName, withGeneratedName } from "./generate-name.ts";
import { answerOne } from "./get-resource.ts";
import { isLostRace } from "./lost-race.ts";
import { readObject } from "./read-object.ts";
import { readTarget } from "./read-target.ts";
import type { RestContext } from "./rest-context.ts";
import { writeObject } from "./write-object.ts";
import { readWriteOptions } from "./write-options.ts";

/** How often another name is made when one is taken: there are 27^5 of them. */
const MAX_GENERATED_NAMES = 8;

/** `POST` to a collection. */
export async function createOne(context: RestContext, call: ApiCall): Promise<ApiAnswer> {
  const collection = readTarget(call);
  const options = readWriteOptions(call);
  const body = await readObject(call, options.fieldValidation);
  assertNew(body);
  for (let attempt = 1; ; attempt += 1) {
    const input = wantsName(body) ? withGeneratedName(body, context.random) : body;
    const target = { ...collection, name: nameOf(input) };
    const write = { target, live: null, input, options, warn: call.warn } as const;
    try {
      const created = await writeObject(context, { ...write, subresource: "", operation: "Update" });
      return answerOne(context, call, created, 201);
    } catch (error) {
      if (!isLostRace(error)) throw error;
      if (input === body || attempt === MAX_GENERATED_NAMES) throw alreadyExists(target);
    }
  }
}

function assertNew(body: unknown): void {
  const metadata = isObject(body) ? body["metadata"] : undefined;
  const version = isObject(metadata) ? metadata["resourceVersion"] : undefined;
  if (version === undefined || version === "") return;
  throw new StatusError(
    "BadRequest",
    "Cannot create a resource: found metadata.resourceVersion; expected none in a new one",
  );
}

function nameOf(input: unknown): string {
  const metadata = isObject(input) ? input["metadata"] : undefined;
  const name = isObject(metadata) ? metadata["name"] : undefined;
  return typeof name === "string" ? name : "";
}

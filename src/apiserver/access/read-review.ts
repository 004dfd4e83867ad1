import type { ApiCall } from "../api-route.ts";
import { readObject } from "../rest/read-object.ts";
import { StatusError } from "../status.ts";

/** A question in a body. Throws StatusError BadRequest when it is of another kind. */
export async function readReview(call: ApiCall, apiVersion: string, kind: string): Promise<{ readonly spec: unknown }> {
  const body = await readObject(call, "Ignore");
  const object = (typeof body === "object" && body !== null ? body : {}) as Partial<Record<string, unknown>>;
  if (object["apiVersion"] === apiVersion && object["kind"] === kind) return { spec: object["spec"] };
  const found = `apiVersion ${JSON.stringify(object["apiVersion"])} and kind ${JSON.stringify(object["kind"])}`;
  throw new StatusError("BadRequest", `Cannot review: found ${found}; expected ${apiVersion} and ${kind}`);
}

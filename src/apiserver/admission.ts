import type { Problem } from "../resources/problem.ts";
import { formatApiVersion } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import { validateResource } from "../resources/validate.ts";
import { invalidDetailsOf, type ResourceTarget } from "./resource-target.ts";
import { StatusError } from "./status.ts";

/**
 * The resource in a request body, valid and with its defaults: checked by the same code, with the same words, as the
 * files of `weft apply`. Throws StatusError Invalid with one cause per problem, or BadRequest when the body is not for
 * the path it was sent to.
 */
export function admitResource(body: unknown, target: ResourceTarget): Resource {
  const input = placeInNamespace(body, target);
  const { resource, problems } = validateResource(input, { file: "body" });
  const errors = problems.filter((problem) => problem.severity === "error");
  if (resource === null || errors.length > 0) throw invalid(input, errors, target);
  const { definition, namespace } = target;
  const apiVersion = formatApiVersion(definition.group, definition.version);
  // Of the body: the resource is in the version that it is stored in.
  const written = (input as Resource).apiVersion;
  if (resource.kind !== definition.kind || written !== apiVersion) {
    throw new StatusError(
      "BadRequest",
      `Cannot take the body: found ${written} ${resource.kind}; expected ${apiVersion} ${definition.kind}, as in the path`,
    );
  }
  if (resource.metadata.namespace !== namespace) {
    throw new StatusError(
      "BadRequest",
      `Cannot take the body: found metadata.namespace "${resource.metadata.namespace}"; expected "${namespace}", as in the path`,
    );
  }
  if (target.name !== "" && resource.metadata.name !== target.name) {
    throw new StatusError(
      "BadRequest",
      `Cannot take the body: found metadata.name "${resource.metadata.name}"; expected the name in the path, "${target.name}"`,
    );
  }
  return resource;
}

/** A body without a namespace belongs to the path's, not to "default". */
function placeInNamespace(body: unknown, target: ResourceTarget): unknown {
  if (!target.definition.namespaced || typeof body !== "object" || body === null) return body;
  const metadata = (body as { readonly metadata?: unknown }).metadata;
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return body;
  const namespace = (metadata as { readonly namespace?: unknown }).namespace;
  if (namespace !== undefined && namespace !== "") return body;
  return { ...body, metadata: { ...metadata, namespace: target.namespace } };
}

function invalid(input: unknown, errors: readonly Problem[], target: ResourceTarget): StatusError {
  const name = target.name === "" ? nameOf(input) : target.name;
  const causes = errors.map((problem) => ({
    reason: problem.found === "nothing" ? "FieldValueRequired" : "FieldValueInvalid",
    message: describeProblem(problem),
    field: problem.path,
  }));
  const list = causes.map((cause) => (cause.field === "" ? cause.message : `${cause.field}: ${cause.message}`));
  return new StatusError("Invalid", `${target.definition.kind} "${name}" is invalid: ${list.join("; ")}`, {
    ...invalidDetailsOf(target),
    name,
    causes,
  });
}

function nameOf(input: unknown): string {
  const name = (input as { readonly metadata?: { readonly name?: unknown } } | null)?.metadata?.name;
  return typeof name === "string" ? name : "";
}

function describeProblem(problem: Problem): string {
  return `found ${problem.found}; expected ${problem.expected}`;
}

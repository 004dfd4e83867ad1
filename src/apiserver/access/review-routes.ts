import { type ApiAnswer, type ApiCall, type ApiRoute, json, type Router } from "../api-route.ts";
import { readReview } from "./read-review.ts";
import { type AccessRequest, authorize, OWN_RESOURCES, VERBS } from "./authorize.ts";
import type { Principal } from "./principal.ts";
import { StatusError } from "../status.ts";
import { KINDS } from "../../resources/registry.ts";

const AUTHORIZATION = "authorization.k8s.io/v1";
const AUTHENTICATION = "authentication.k8s.io/v1";

/** What a caller may ask about itself: `kubectl auth can-i`, `kubectl auth can-i --list`, `kubectl auth whoami`. */
export function createReviewRoutes(router: () => Router): readonly ApiRoute[] {
  const review = (path: string, answer: (call: ApiCall) => Promise<ApiAnswer>): ApiRoute => ({
    method: "POST",
    path,
    access: "authenticated",
    answer,
  });
  return [
    review(`/apis/${AUTHORIZATION}/selfsubjectaccessreviews`, (call) => reviewAccess(call, router())),
    review(`/apis/${AUTHORIZATION}/selfsubjectrulesreviews`, reviewRules),
    review(`/apis/${AUTHENTICATION}/selfsubjectreviews`, reviewSelf),
  ];
}

async function reviewAccess(call: ApiCall, router: Router): Promise<ApiAnswer> {
  const { spec } = await readReview(call, AUTHORIZATION, "SelfSubjectAccessReview");
  const resource = objectAt(spec, "resourceAttributes");
  const path = objectAt(spec, "nonResourceAttributes");
  if ((resource === null) === (path === null)) {
    throw new StatusError(
      "Invalid",
      `Cannot review: found ${resource === null ? "neither" : "both"} of spec.resourceAttributes and spec.nonResourceAttributes; expected one of them`,
      { kind: "selfsubjectaccessreviews", group: "authorization.k8s.io" },
    );
  }
  const { allowed, reason } =
    resource === null
      ? decidePath(router, textAt(path, "verb"), textAt(path, "path"))
      : authorize(call.principal, toRequest(resource));
  const status = { allowed, ...(allowed ? {} : { reason }) };
  return json({ apiVersion: AUTHORIZATION, kind: "SelfSubjectAccessReview", metadata: {}, spec, status }, 201);
}

function toRequest(attributes: Readonly<Record<string, unknown>>): AccessRequest {
  return {
    verb: textAt(attributes, "verb"),
    group: textAt(attributes, "group"),
    resource: textAt(attributes, "resource"),
    subresource: textAt(attributes, "subresource"),
    namespace: textAt(attributes, "namespace"),
    name: textAt(attributes, "name"),
  };
}

/** Of paths that are no resources, everybody who is known may read what there is. */
function decidePath(
  router: Router,
  verb: string,
  path: string,
): { readonly allowed: boolean; readonly reason: string } {
  try {
    const { access } = router.match(verb.toUpperCase(), path).route;
    if (access === "open" || access === "authenticated") return { allowed: true, reason: "" };
    return { allowed: false, reason: "this path is a resource: ask for the resource" };
  } catch (error) {
    if (error instanceof StatusError) return { allowed: false, reason: "there is no such path" };
    throw error;
  }
}

/** Grouped by API group and by what may be done, as `kubectl auth can-i --list` prints it. */
async function reviewRules(call: ApiCall): Promise<ApiAnswer> {
  const { spec } = await readReview(call, AUTHORIZATION, "SelfSubjectRulesReview");
  const namespace = textAt(spec, "namespace");
  if (namespace === "") {
    throw new StatusError("BadRequest", "Cannot review: found no spec.namespace; expected the name of one");
  }
  const status = {
    resourceRules: listRules(call.principal, namespace),
    nonResourceRules: [{ verbs: ["get"], nonResourceURLs: OPEN_TO_ALL }],
    incomplete: false,
  };
  return json({ apiVersion: AUTHORIZATION, kind: "SelfSubjectRulesReview", metadata: {}, spec, status }, 201);
}

const OPEN_TO_ALL: readonly string[] = [
  "/api",
  "/api/*",
  "/apis",
  "/apis/*",
  "/healthz",
  "/livez",
  "/openapi/*",
  "/readyz",
  "/version",
];

interface ResourceRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
}

function listRules(principal: Principal, namespace: string): readonly ResourceRule[] {
  if (principal.role === "admin" && principal.namespaces === null) {
    return [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }];
  }
  const own = [...OWN_RESOURCES].map(([resource, namespaced]) => ({ group: "weft.dev", resource, namespaced }));
  const kinds = KINDS.map(({ group, plural, namespaced }) => ({ group, resource: plural, namespaced }));
  const rules = [...kinds, ...own].map(({ group, resource, namespaced }): ResourceRule => {
    const place = namespaced ? namespace : "";
    const isOwnNamespace = group === "" && resource === "namespaces" && principal.namespaces !== null;
    const request = { group, resource, subresource: "", namespace: place, name: isOwnNamespace ? namespace : "" };
    const verbs = VERBS.filter((verb) => authorize(principal, { ...request, verb }).allowed);
    const names = isOwnNamespace ? { resourceNames: [namespace] } : {};
    return { verbs, apiGroups: [group], resources: [resource], ...names };
  });
  const reviews = [
    { apiGroups: ["authorization.k8s.io"], resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"] },
    { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"] },
  ].map((rule) => ({ verbs: ["create"], ...rule }));
  return [...rules.filter(({ verbs }) => verbs.length > 0), ...reviews];
}

async function reviewSelf(call: ApiCall): Promise<ApiAnswer> {
  await readReview(call, AUTHENTICATION, "SelfSubjectReview");
  const { name, groups, how, namespaces, role } = call.principal;
  const extra = { "weft.dev/role": [role], "weft.dev/credential": [how] };
  const places = namespaces === null ? {} : { "weft.dev/namespaces": namespaces };
  const status = { userInfo: { username: name, groups, extra: { ...extra, ...places } } };
  return json({ apiVersion: AUTHENTICATION, kind: "SelfSubjectReview", metadata: {}, status }, 201);
}

function objectAt(value: unknown, field: string): Readonly<Record<string, unknown>> | null {
  const found = (value as Partial<Record<string, unknown>> | null | undefined)?.[field];
  return typeof found === "object" && found !== null ? (found as Readonly<Record<string, unknown>>) : null;
}

function textAt(value: unknown, field: string): string {
  const found = (value as Partial<Record<string, unknown>> | null | undefined)?.[field];
  return typeof found === "string" ? found : "";
}

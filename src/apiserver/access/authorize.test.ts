import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "../../resources/registry.ts";
import { type AccessRequest, authorize, isNamespaced, OWN_RESOURCES, READ_VERBS, VERBS } from "./authorize.ts";
import { createPrincipal, HOME_PRINCIPAL, NOBODY, type Principal, type Role } from "./principal.ts";

function user(role: Role, namespaces: readonly string[] | null = null): Principal {
  return createPrincipal({ name: "alice", role, namespaces, how: "token" });
}

/** `verb group/resource[:namespace][/name]`. */
function request(text: string): AccessRequest {
  const [, verb = "", group = "", resource = "", namespace = "", name = ""] =
    /^(\S+) ([^/]*)\/([\w*-]+)(?::([\w-]+))?(?:\/(\S+))?$/.exec(text) ?? [];
  return { verb, group, resource, subresource: "", namespace, name };
}

const EVERYTHING: readonly string[] = [
  ...KINDS.map(({ group, namespaced, plural }) => `${group}/${plural}${namespaced ? ":shop" : ""}`),
  ...[...OWN_RESOURCES].map(([plural, namespaced]) => `weft.dev/${plural}${namespaced ? ":shop" : ""}`),
].flatMap((resource) => VERBS.map((verb) => `${verb} ${resource}`));

function allowedOf(principal: Principal, requests: readonly string[] = EVERYTHING): readonly string[] {
  return requests.filter((text) => authorize(principal, request(text)).allowed);
}

test("an admin, and who holds the home's token, may do everything", () => {
  assert.deepEqual(allowedOf(user("admin")), EVERYTHING);
  assert.deepEqual(allowedOf(HOME_PRINCIPAL), EVERYTHING);
  assert.ok(authorize(user("admin"), request("* */*")).allowed);
});

test("an editor may do everything but see users and Secrets and write the Mesh", () => {
  const expected = EVERYTHING.filter(
    (text) =>
      !text.includes("weft.dev/users") &&
      !text.includes("/secrets") &&
      (!/weft\.dev\/(meshes|revocations|trustbundles|trust)\b/.test(text) ||
        READ_VERBS.includes(text.split(" ", 1)[0] ?? "")),
  );
  assert.deepEqual(allowedOf(user("editor")), expected);
});

test("a viewer may read everything but users and Secrets", () => {
  const expected = EVERYTHING.filter(
    (text) => !/weft\.dev\/users|\/secrets/.test(text) && READ_VERBS.includes(text.split(" ", 1)[0] ?? ""),
  );
  assert.deepEqual(allowedOf(user("viewer")), expected);
});

const CASES: readonly [role: Role, text: string, allowed: boolean][] = [
  ["editor", "create /services:shop/web", true],
  ["editor", "create /services:other/web", false],
  ["editor", "list /services", false],
  ["editor", "deletecollection /services", false],
  ["editor", "create weft.dev/workloads:shop/web", true],
  ["editor", "create weft.dev/workloads:other/web", false],
  ["editor", "create weft.dev/workloads", false],
  ["editor", "get /namespaces/shop", true],
  ["editor", "get /namespaces/other", false],
  ["editor", "list /namespaces", false],
  ["editor", "watch /namespaces/shop", false],
  ["editor", "delete /namespaces/shop", false],
  ["editor", "patch /namespaces/shop", false],
  ["editor", "get weft.dev/meshes/mesh", true],
  ["editor", "patch weft.dev/meshes/mesh", false],
  ["editor", "list weft.dev/replicas", false],
  ["editor", "list weft.dev/users:shop", false],
  ["editor", "get unknown.dev/things", false],
  ["viewer", "get /services:shop/web", true],
  ["viewer", "create /services:shop/web", false],
  ["viewer", "get /services:other/web", false],
  ["viewer", "escalate /services:shop/web", false],
];
for (const [role, text, allowed] of CASES) {
  test(`a role in some namespaces: ${role} ${allowed ? "may" : "may not"} ${text}`, () => {
    assert.equal(authorize(user(role, ["shop", "test"]), request(text)).allowed, allowed);
  });
}

test("whoever is not an admin may not do what is everything", () => {
  for (const text of ["* /services:shop", "get */services:shop", "get /*:shop"]) {
    assert.equal(authorize(user("editor"), request(text)).allowed, false, text);
  }
});

test("nobody may do nothing but what everybody with a name may read outside of namespaces", () => {
  assert.deepEqual(allowedOf(NOBODY), ["get weft.dev/meshes", "list weft.dev/meshes", "watch weft.dev/meshes"]);
});

test("a refusal says why", () => {
  const reasons = [
    authorize(user("viewer"), request("create /services:shop")),
    authorize(user("editor"), request("get weft.dev/users")),
    authorize(user("editor", ["shop"]), request("get /services:other")),
    authorize(user("editor", ["shop", "test"]), request("list /services")),
  ].map(({ reason }) => reason);
  assert.deepEqual(reasons, [
    "the role viewer only reads",
    "only admins may read or write users",
    'the role editor holds in the namespace "shop" only',
    'the user is limited to the namespaces "shop", "test", and this is in all namespaces',
  ]);
});

test("isNamespaced() knows kinds and what weft's own paths show", () => {
  assert.deepEqual(
    [
      isNamespaced({ group: "", resource: "services" }),
      isNamespaced({ group: "", resource: "namespaces" }),
      isNamespaced({ group: "weft.dev", resource: "workloads" }),
      isNamespaced({ group: "weft.dev", resource: "replicas" }),
      isNamespaced({ group: "x.dev", resource: "services" }),
    ],
    [true, false, true, false, false],
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { validateResource } from "../../resources/validate.ts";
import type { Resource } from "../../resources/resource.ts";
import { compileModel } from "./compile-model.ts";
import type { TargetModel } from "./mesh-model.ts";
import { listReasons, sampleGroup, sampleTarget, sampleTcpRoute } from "./sample-resources.ts";

// Names such as S9 and A12 are those of the test list for SMI.

const GROUP = sampleGroup("g", [
  { name: "a", pathRegex: "/a" },
  { name: "b", pathRegex: "/b" },
]);

test("A10 a rule without matches means all matches of its group", () => {
  assert.deepEqual(
    paths(targetOf([GROUP, sampleTarget("t", "x", { sources: ["web"], rules: ["HTTPRouteGroup/g"] })])),
    ["/a", "/b"],
  );
});

test("A11 an unknown match is skipped, with a condition", () => {
  const resources = [GROUP, sampleTarget("t", "x", { sources: ["web"], rules: ["HTTPRouteGroup/g/b/z"] })];
  assert.deepEqual(paths(targetOf(resources)), ["/b"]);
  assert.deepEqual(listReasons(compileModel(resources, null)), ["TrafficTarget default/t ResolvedRefs MatchNotFound"]);
});

test("A12 a dangling group allows nothing, which is not the same as no HTTP rule", () => {
  const resources = [sampleTarget("t", "x", { sources: ["web"], rules: ["HTTPRouteGroup/gone"] })];
  const target = targetOf(resources);
  assert.deepEqual(target.http, []);
  assert.equal(target.tcp, null);
  assert.deepEqual(listReasons(compileModel(resources, null)), ["TrafficTarget default/t ResolvedRefs RouteNotFound"]);
});

test("A2 a TCPRoute without ports means all ports, and TCPRoutes are alternatives", () => {
  const routes = [sampleTcpRoute("some", [81, 80]), sampleTcpRoute("more", [82]), sampleTcpRoute("all", [])];
  const target = (rules: readonly string[]): TargetModel =>
    targetOf([...routes, sampleTarget("t", "x", { sources: ["web"], rules })]);
  assert.deepEqual(target(["TCPRoute/some", "TCPRoute/more"]).tcp, [80, 81, 82]);
  assert.equal(target(["TCPRoute/some", "TCPRoute/all"]).tcp, "all");
  assert.deepEqual(target(["TCPRoute/gone"]).tcp, []);
  assert.equal(target(["TCPRoute/some"]).http, null);
});

test("A22 a target with rules about UDP alone opens no port of TCP", () => {
  const route = { ...sampleTcpRoute("dns", []), kind: "UDPRoute" };
  const target = targetOf([route, sampleTarget("t", "x", { sources: ["web"], rules: ["UDPRoute/dns"] })]);
  assert.deepEqual([target.http, target.tcp], [null, []]);
});

test("A14 a target whose destination is in another namespace is refused", () => {
  const valid = sampleTarget("t", "x", { sources: ["web"], rules: ["TCPRoute/r"] });
  const spec = valid.spec as Readonly<Record<string, unknown>>;
  const foreign = { ...valid, spec: { ...spec, destination: { kind: "ServiceAccount", name: "x", namespace: "b" } } };
  const model = compileModel([sampleTcpRoute("r", []), foreign], null);
  assert.equal(model.access.size, 0);
  assert.deepEqual(listReasons(model), ["TrafficTarget default/t Accepted ForeignDestination"]);
});

test("A15 A18 sources are in the target's namespace unless they say another", () => {
  const target = sampleTarget("t", "x", { namespace: "a", sources: ["web", "b/web"], rules: ["TCPRoute/r"] });
  assert.deepEqual(compileModel([target], null).access.get("a/x")?.targets[0]?.sources, ["a/web", "b/web"]);
});

test("A16 A17 a target without sources or rules allows nobody, with a condition", () => {
  const valid = sampleTarget("t", "x", { sources: [], rules: ["HTTPRouteGroup/g"] });
  const ruleless = {
    ...valid,
    spec: { ...(valid.spec as object), rules: [] },
    metadata: { ...valid.metadata, name: "u" },
  };
  const model = compileModel([GROUP, valid, ruleless], null);
  assert.deepEqual(
    model.access.get("default/x")?.targets.map((target) => target.sources),
    [[]],
  );
  assert.deepEqual(listReasons(model), [
    "TrafficTarget default/t Accepted NoSources",
    "TrafficTarget default/u Accepted NoRules",
  ]);
});

function targetOf(resources: readonly Resource[]): TargetModel {
  const target = compileModel(resources, null).access.get("default/x")?.targets[0];
  assert.ok(target, "no target for default/x");
  return target;
}

function paths(target: TargetModel): string[] | undefined {
  return target.http?.map((match) => match.pathRegex);
}

test("A30 the port of an older version's destination is the only one, and what cannot be read is none", () => {
  const only = (text: string): number | null => {
    const target = sampleTarget("t", "x", { sources: ["web"], rules: ["HTTPRouteGroup/g"] });
    const metadata = { ...target.metadata, annotations: { "weft.dev/destination-port": text } };
    return targetOf([GROUP, { ...target, metadata }]).onlyPort;
  };
  assert.deepEqual(["8080", "0", "70000", "http", ""].map(only), [8080, 0, 0, 0, 0]);
});

function sampleBinding(name: string, schemes: Readonly<Record<string, unknown>>): Resource {
  const { resource, problems } = validateResource(
    {
      apiVersion: "access.smi-spec.io/v1alpha4",
      kind: "IdentityBinding",
      metadata: { name, namespace: "default" },
      spec: { schemes },
    },
    { file: "test" },
  );
  assert.deepEqual(problems, []);
  return resource ?? assert.fail();
}

/** A target whose source and destination are IdentityBindings, `from` and `to`. */
function bound(): Resource {
  const target = sampleTarget("t", "to", { sources: ["from"], rules: ["HTTPRouteGroup/g"] });
  const spec = target.spec as { readonly destination: object; readonly sources: readonly object[] };
  const kind = "IdentityBinding";
  return {
    ...target,
    spec: {
      ...spec,
      destination: { ...spec.destination, kind },
      sources: spec.sources.map((one) => ({ ...one, kind })),
    },
  };
}

test("an IdentityBinding stands for its identities as a source, and for its service account as the destination", () => {
  const from = sampleBinding("from", {
    serviceAccount: "web",
    spiffeIdentities: ["spiffe://bank.mesh/ns/default/sa/web", "other.mesh/any/path"],
  });
  const resources = [GROUP, bound(), from, sampleBinding("to", { serviceAccount: "x" })];
  assert.deepEqual(targetOf(resources).sources, [
    "default/web",
    "spiffe://bank.mesh/ns/default/sa/web",
    "spiffe://other.mesh/any/path",
  ]);
  assert.deepEqual(listReasons(compileModel(resources, null)), []);
});

test("an IdentityBinding that is missing, or has no service account to open, allows nothing and says so", () => {
  const to = sampleBinding("to", { serviceAccount: "x" });
  const model = compileModel([GROUP, bound(), to], null);
  assert.deepEqual(
    model.access.get("default/x")?.targets.map((target) => target.sources),
    [[]],
  );
  assert.deepEqual(listReasons(model), ["TrafficTarget default/t ResolvedRefs SourceNotFound"]);
  const foreign = sampleBinding("to", { spiffeIdentities: ["spiffe://bank.mesh/ns/default/sa/x"] });
  const closed = compileModel([GROUP, bound(), foreign], null);
  assert.deepEqual(
    [closed.access.size, listReasons(closed)],
    [0, ["TrafficTarget default/t ResolvedRefs DestinationNotFound"]],
  );
});

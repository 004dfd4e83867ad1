import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Resource } from "../../resources/resource.ts";
import { validateResource } from "../../resources/validate.ts";
import { compileModel } from "./compile-model.ts";
import type { MeshModel, ServicePortModel } from "./mesh-model.ts";
import { sampleService } from "./sample-resources.ts";

function policy(
  name: string,
  spec: Readonly<Record<string, unknown>>,
  createdAt: string = "2026-01-01T00:00:00Z",
): Resource {
  const { resource, problems } = validateResource(
    {
      apiVersion: "weft.dev/v1alpha1",
      kind: "TrafficPolicy",
      metadata: { name, namespace: "default" },
      spec: { targetRef: { kind: "Service", name: "reviews" }, ...spec },
    },
    { file: "test" },
  );
  assert.deepEqual(problems, []);
  assert.ok(resource !== null);
  return { ...resource, metadata: { ...resource.metadata, creationTimestamp: createdAt } };
}

function group(name: string, ...matches: readonly Readonly<Record<string, unknown>>[]): Resource {
  const { resource } = validateResource(
    {
      apiVersion: "specs.smi-spec.io/v1alpha4",
      kind: "HTTPRouteGroup",
      metadata: { name, namespace: "default" },
      spec: { matches },
    },
    { file: "test" },
  );
  assert.ok(resource !== null);
  return resource;
}

function portOf(model: MeshModel, port: number = 80): ServicePortModel {
  const found = model.services.get("default/reviews")?.ports.find((candidate) => candidate.port === port);
  assert.ok(found !== undefined);
  return found;
}

function reasons(model: MeshModel): readonly string[] {
  return model.conditions.map(({ name, type, reason }) => `${name}: ${type} ${reason}`);
}

const REVIEWS = sampleService("reviews");
const reads = group("reads", { name: "get", methods: ["GET"] }, { name: "head", methods: ["HEAD"] });
const matches = [{ kind: "HTTPRouteGroup", name: "reads" }];

describe("compileModel() with TrafficPolicies", () => {
  it("leaves a Service without policies at the defaults", () => {
    const port = portOf(compileModel([REVIEWS], null));
    assert.deepEqual([port.policy, port.routePolicies], [null, []]);
  });

  it("takes each section from the oldest policy that writes it, and tells the others", () => {
    const model = compileModel(
      [
        REVIEWS,
        policy("b", { retries: { attempts: 5 }, timeouts: { request: "9s", connect: "1s" } }, "2026-01-02T00:00:00Z"),
        policy("a", { retries: { attempts: 1 } }, "2026-01-01T00:00:00Z"),
        policy("c", { retries: { attempts: 7 }, limits: { requests: 3 } }, "2026-01-03T00:00:00Z"),
      ],
      null,
    );
    const { policy: cluster, routePolicies } = portOf(model);
    assert.equal(routePolicies.length, 1);
    assert.deepEqual(
      [routePolicies[0]?.retries?.attempts, routePolicies[0]?.timeouts?.requestMs, routePolicies[0]?.key],
      [1, 9_000, "default/b,default/a"],
    );
    assert.deepEqual([cluster?.connectMs, cluster?.limits?.requests], [1_000, 3]);
    assert.deepEqual(reasons(model), ["b: Conflicted AnotherPolicy", "c: Conflicted AnotherPolicy"]);
    assert.match(
      model.conditions[0]?.message ?? "",
      /TrafficPolicy "a" is older and says retries of "reviews" port 80/,
    );
  });

  it("lays a policy with matches over what holds for the whole Service", () => {
    const model = compileModel(
      [
        REVIEWS,
        reads,
        policy("wide", {
          retries: { attempts: 1 },
          timeouts: { request: "9s" },
          loadBalancing: { strategy: "ringHash", hashOn: [{ header: "x-user" }] },
        }),
        policy("narrow", { matches, retries: { attempts: 4 } }),
      ],
      null,
    );
    const [narrow, wide] = portOf(model).routePolicies;
    assert.deepEqual(
      narrow?.matches?.map(({ methods }) => methods),
      [["GET"], ["HEAD"]],
    );
    assert.deepEqual([narrow?.retries?.attempts, narrow?.timeouts?.requestMs], [4, 9_000]);
    assert.deepEqual([wide?.matches, wide?.retries?.attempts], [null, 1]);
    for (const route of [narrow, wide]) assert.deepEqual(route?.hashOn, [{ kind: "header", name: "x-user" }]);
    assert.deepEqual(reasons(model), []);
  });

  it("tries policies with matches by age", () => {
    const later = policy(
      "a",
      { matches: [{ ...matches[0], matches: ["get"] }], retries: { attempts: 1 } },
      "2026-02-01T00:00:00Z",
    );
    const earlier = policy("b", { matches: [{ ...matches[0], matches: ["head"] }], retries: { attempts: 2 } });
    const { routePolicies } = portOf(compileModel([REVIEWS, reads, later, earlier], null));
    assert.deepEqual(
      routePolicies.map(({ retries }) => retries?.attempts),
      [2, 1],
    );
  });

  it("never takes what is not there for everything", () => {
    const cases: readonly (readonly [Resource[], string])[] = [
      [
        [policy("p", { targetRef: { kind: "Service", name: "nobody" }, retries: {} })],
        "p: ResolvedRefs TargetNotFound",
      ],
      [
        [policy("p", { targetRef: { kind: "Service", name: "reviews", port: 81 }, retries: {} })],
        "p: ResolvedRefs PortNotFound",
      ],
      [[policy("p", { matches, retries: {} })], "p: ResolvedRefs RouteGroupNotFound"],
      [
        [reads, policy("p", { matches: [{ ...matches[0], matches: ["put"] }], retries: {} })],
        "p: ResolvedRefs MatchNotFound",
      ],
      [[policy("p", { mirrors: [{ service: "shadow" }] })], "p: ResolvedRefs MirrorNotFound"],
      [
        [sampleService("shadow"), policy("p", { mirrors: [{ service: "shadow", port: 81 }] })],
        "p: ResolvedRefs MirrorPortNotFound",
      ],
    ];
    for (const [resources, reason] of cases) {
      const model = compileModel([REVIEWS, ...resources], null);
      assert.ok(reasons(model).includes(reason), `${reason}: ${reasons(model).join()}`);
      const { routePolicies } = portOf(model);
      for (const route of routePolicies) assert.deepEqual([route.mirrors, route.matches], [[], null], reason);
    }
  });

  it("keeps to the port that a policy names", () => {
    const service = sampleService("reviews", {
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 81 },
      ],
    });
    const model = compileModel(
      [service, policy("p", { targetRef: { kind: "Service", name: "reviews", port: 81 }, retries: {} })],
      null,
    );
    assert.deepEqual([portOf(model, 80).routePolicies.length, portOf(model, 81).routePolicies.length], [0, 1]);
  });

  it("says what has no effect on opaque bytes", () => {
    const service = sampleService("reviews", { ports: [{ port: 80, appProtocol: "tcp" }] });
    const model = compileModel(
      [
        service,
        reads,
        policy("wide", { retries: {}, limits: { connections: 4 } }),
        policy("narrow", { matches, retries: {} }),
      ],
      null,
    );
    const { policy: cluster, routePolicies } = portOf(model);
    assert.deepEqual([cluster?.limits?.connections, routePolicies], [4, []]);
    assert.deepEqual(reasons(model), ["narrow: Accepted NeedsHttp", "wide: Accepted NeedsHttp"]);
  });

  it("means the same in any order, and keeps what did not change", () => {
    const resources = [
      REVIEWS,
      reads,
      policy("a", { retries: {} }),
      policy("b", { matches, timeouts: { request: "1s" } }),
    ];
    const first = compileModel(resources, null);
    assert.deepEqual(compileModel(resources.toReversed(), null), first);
    const next = compileModel([...resources, sampleService("other")], first);
    assert.equal(portOf(next).routePolicies, portOf(first).routePolicies);
    assert.equal(portOf(next), portOf(first));
  });
});

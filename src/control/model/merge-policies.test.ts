import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Resource } from "../../resources/resource.ts";
import { type PolicySection, SECTIONS } from "../../resources/traffic-policy-spec.ts";
import { compileModel } from "./compile-model.ts";
import type { MeshModel } from "./mesh-model.ts";
import { findPort, listReasons, sampleGroup, samplePolicy, sampleService, sampleSplit } from "./sample-resources.ts";

const OLD = "2026-01-01T00:00:00Z";
const YOUNG = "2026-02-01T00:00:00Z";
const LATER = "2026-12-31T00:00:00Z";
const NAMED = (name: string): object[] => [{ kind: "HTTPRouteGroup", name }];

/** Two ways to write each section, and what of the model shows which of them is in force. */
const WRITTEN: Readonly<
  Record<PolicySection, readonly [one: unknown, other: unknown, path: readonly (string | number)[]]>
> = {
  loadBalancing: [{ strategy: "random" }, { strategy: "peakEwma" }, ["policy", "loadBalancing", "strategy"]],
  healthChecks: [[{ tcp: {} }], [{ grpc: {} }], ["policy", "healthChecks", 0, "kind"]],
  outlierDetection: [{ consecutive5xx: 1 }, { consecutive5xx: 2 }, ["policy", "outlierDetection", "consecutive5xx"]],
  limits: [{ requests: 1 }, { requests: 2 }, ["policy", "limits", "requests"]],
  circuitBreaker: [{ failurePercent: 1 }, { failurePercent: 2 }, ["policy", "circuitBreaker", "failurePercent"]],
  instanceCircuitBreaker: [
    { failurePercent: 1 },
    { failurePercent: 2 },
    ["policy", "instanceCircuitBreaker", "failurePercent"],
  ],
  retryBudget: [{ ratio: 1 }, { ratio: 2 }, ["policy", "retryBudget", "ratio"]],
  overload: [{ concurrency: 1 }, { concurrency: 2 }, ["policy", "overload", "concurrency"]],
  timeouts: [{ request: "1s" }, { request: "2s" }, ["routePolicies", 0, "timeouts", "requestMs"]],
  retries: [{ attempts: 1 }, { attempts: 3 }, ["routePolicies", 0, "retries", "attempts"]],
  sticky: [{ header: "a" }, { header: "b" }, ["routePolicies", 0, "sticky", "name"]],
  rateLimits: [
    [{ name: "a", requests: 1 }],
    [{ name: "a", requests: 2 }],
    ["routePolicies", 0, "rateLimits", 0, "requests"],
  ],
  faults: [
    [{ name: "a", until: LATER, reset: true }],
    [{ name: "b", until: LATER, reset: true }],
    ["routePolicies", 0, "faults", 0, "name"],
  ],
  mirrors: [
    [{ service: "shadow", percentage: 1 }],
    [{ service: "shadow", percentage: 2 }],
    ["routePolicies", 0, "mirrors", 0, "percentage"],
  ],
  cache: [{ maxBytes: 1_000 }, { maxBytes: 2_000 }, ["routePolicies", 0, "cache", "maxBytes"]],
  requestHeaders: [{ remove: ["a"] }, { remove: ["b"] }, ["routePolicies", 0, "requestHeaders", "remove", 0]],
  responseHeaders: [{ remove: ["a"] }, { remove: ["b"] }, ["routePolicies", 0, "responseHeaders", "remove", 0]],
  redirect: [{ host: "a" }, { host: "b" }, ["routePolicies", 0, "redirect", "host"]],
  rewrite: [{ host: "a" }, { host: "b" }, ["routePolicies", 0, "rewrite", "host"]],
};
const BASE: readonly Resource[] = [
  sampleService("reviews"),
  sampleService("shadow"),
  sampleSplit("half", "reviews", { weights: { reviews: 1 } }),
  sampleGroup("reads", [{ name: "get", methods: ["GET"] }]),
  sampleGroup("users", [{ name: "alice", headers: { cookie: "(^|; )user=alice(;|$)" } }]),
];

function pick(model: MeshModel, path: readonly (string | number)[]): unknown {
  let value: unknown = findPort(model, "default/reviews", 80);
  for (const step of path) value = (value as Record<string | number, unknown> | undefined)?.[step];
  return value;
}

/** What the model has where only this is written. */
function alone(section: PolicySection, written: unknown): unknown {
  return pick(compileModel([...BASE, samplePolicy("p", { [section]: written })], null), WRITTEN[section][2]);
}

function messages(model: MeshModel): string[] {
  return model.conditions.map(({ name, message }) => `${name}: ${message}`);
}

describe("of two policies of one Service", () => {
  for (const section of SECTIONS) {
    const [one, other, path] = WRITTEN[section];

    it(`the older one's ${section} is in force, and the younger one hears of it`, () => {
      assert.notDeepEqual(alone(section, one), alone(section, other));
      for (const [first, second] of [
        [one, other],
        [other, one],
      ]) {
        const model = compileModel(
          [
            ...BASE,
            samplePolicy("a-young", { [section]: second }, { createdAt: YOUNG }),
            samplePolicy("z-old", { [section]: first }, { createdAt: OLD }),
          ],
          null,
        );
        assert.deepEqual(pick(model, path), alone(section, first));
        assert.deepEqual(listReasons(model), ["TrafficPolicy default/a-young Conflicted AnotherPolicy"]);
        assert.equal(
          model.conditions[0]?.message,
          `TrafficPolicy "z-old" is older and says ${section} of "reviews" port 80; what this one says of it has no effect`,
        );
      }
    });

    it(`the first by name says ${section} when both are as old`, () => {
      const model = compileModel(
        [
          ...BASE,
          samplePolicy("b", { [section]: other }, { createdAt: OLD }),
          samplePolicy("a", { [section]: one }, { createdAt: OLD }),
        ],
        null,
      );
      assert.deepEqual(pick(model, path), alone(section, one));
      assert.match(model.conditions[0]?.message ?? "", /^TrafficPolicy "a" is as old, comes first by name and says /);
    });

    it(`both are in force when only one says ${section}`, () => {
      const rest = section === "limits" ? { retryBudget: { ratio: 9 } } : { limits: { requests: 9 } };
      const model = compileModel(
        [
          ...BASE,
          samplePolicy("a", rest, { createdAt: OLD }),
          samplePolicy("b", { [section]: one }, { createdAt: YOUNG }),
        ],
        null,
      );
      assert.deepEqual(pick(model, path), alone(section, one));
      assert.deepEqual(model.conditions, []);
    });
  }

  it("a redirect leaves no rewrite, and the other way round", () => {
    const redirect = { redirect: { host: "a" } };
    const rewrite = { rewrite: { host: "b" } };
    for (const [first, second] of [
      [redirect, rewrite],
      [rewrite, redirect],
    ] as const) {
      const model = compileModel(
        [...BASE, samplePolicy("a", first, { createdAt: OLD }), samplePolicy("b", second, { createdAt: YOUNG })],
        null,
      );
      const [route] = findPort(model, "default/reviews", 80).routePolicies;
      assert.deepEqual([route?.redirect !== null, route?.rewrite !== null], [first === redirect, first === rewrite]);
      assert.match(
        messages(model).join(),
        /says (redirect|rewrite) \(which leaves no (rewrite|redirect)\) of "reviews"/,
      );
    }
  });

  it("a conflict names all sections that one lost to another, and no other", () => {
    const model = compileModel(
      [
        ...BASE,
        samplePolicy("a", { retries: {}, timeouts: {}, limits: {} }, { createdAt: OLD }),
        samplePolicy("b", { retries: {}, timeouts: { request: "1s" }, cache: {} }, { createdAt: YOUNG }),
      ],
      null,
    );
    assert.deepEqual(messages(model), [
      'b: TrafficPolicy "a" is older and says timeouts, retries of "reviews" port 80; what this one says of them has no effect',
    ]);
  });

  it("those of different ports have nothing to do with each other", () => {
    const ports = [
      { name: "a", port: 80, appProtocol: "http" },
      { name: "b", port: 81, appProtocol: "http" },
    ];
    const targetRef = (port: number): object => ({ targetRef: { kind: "Service", name: "reviews", port } });
    const model = compileModel(
      [
        sampleService("reviews", { ports }),
        samplePolicy("a", { ...targetRef(80), retries: { attempts: 1 } }),
        samplePolicy("b", { ...targetRef(81), retries: { attempts: 3 } }),
        samplePolicy("c", { retries: { attempts: 5 }, limits: { requests: 7 } }),
      ],
      null,
    );
    assert.deepEqual(
      [80, 81].map((port) => findPort(model, "default/reviews", port).routePolicies[0]?.retries?.attempts),
      [1, 3],
    );
    assert.deepEqual(
      [80, 81].map((port) => findPort(model, "default/reviews", port).policy?.limits?.requests),
      [7, 7],
    );
    assert.equal(messages(model).length, 2, "one for each port that it lost");
  });
});

describe("a policy with matches", () => {
  const request = SECTIONS.slice(SECTIONS.indexOf("timeouts"));
  for (const section of request) {
    const [one, other, path] = WRITTEN[section];

    it(`says ${section} of its requests, and the other policy of the others`, () => {
      const model = compileModel(
        [
          ...BASE,
          samplePolicy("narrow", { matches: NAMED("reads"), [section]: one }, { createdAt: YOUNG }),
          samplePolicy("wide", { [section]: other }, { createdAt: OLD }),
        ],
        null,
      );
      const others = path.map((step, index) => (index === 1 ? 1 : step));
      assert.deepEqual(pick(model, path), alone(section, one));
      assert.deepEqual(pick(model, others), alone(section, other));
      assert.deepEqual(model.conditions, []);
    });

    it(`has the Service's ${section} where it says none`, () => {
      const rest = section === "cache" ? { retries: { attempts: 7 } } : { cache: {} };
      const model = compileModel(
        [
          ...BASE,
          samplePolicy("narrow", { matches: NAMED("reads"), ...rest }),
          samplePolicy("wide", { [section]: other }),
        ],
        null,
      );
      assert.deepEqual(pick(model, path), alone(section, other));
    });
  }

  it("may say that there are none of what the Service has", () => {
    const model = compileModel(
      [
        ...BASE,
        samplePolicy("narrow", {
          matches: NAMED("reads"),
          rateLimits: [],
          mirrors: [],
          faults: [],
          requestHeaders: {},
        }),
        samplePolicy("wide", {
          rateLimits: [{ name: "a", requests: 1 }],
          mirrors: [{ service: "shadow" }],
          faults: [{ name: "a", until: LATER, reset: true }],
          requestHeaders: { remove: ["a"] },
        }),
      ],
      null,
    );
    const [narrow, wide] = findPort(model, "default/reviews", 80).routePolicies;
    assert.deepEqual([narrow?.rateLimits, narrow?.mirrors, narrow?.faults], [[], [], []]);
    assert.deepEqual(narrow?.requestHeaders, { remove: [], set: [], add: [] });
    assert.deepEqual([wide?.rateLimits.length, wide?.mirrors.length, wide?.faults.length], [1, 1, 1]);
  });

  it("rewrites where the Service redirects, and redirects where it rewrites", () => {
    for (const [mine, others] of [
      ["rewrite", "redirect"],
      ["redirect", "rewrite"],
    ] as const) {
      const model = compileModel(
        [
          ...BASE,
          samplePolicy("narrow", { matches: NAMED("reads"), [mine]: { host: "a" } }),
          samplePolicy("wide", { [others]: { host: "b" } }),
        ],
        null,
      );
      const [narrow, wide] = findPort(model, "default/reviews", 80).routePolicies;
      assert.deepEqual([narrow?.[others], wide?.[mine]], [null, null]);
      assert.ok(narrow?.[mine] !== null && wide?.[others] !== null);
      assert.deepEqual(model.conditions, []);
    }
  });

  it("has no effect behind an older one that takes all of its requests, and hears of it", () => {
    const all = sampleGroup("all", [{ name: "all" }]);
    const early = (group: string): Resource =>
      samplePolicy("early", { matches: NAMED(group), retries: {} }, { createdAt: OLD });
    const late = (group: string): Resource =>
      samplePolicy("late", { matches: NAMED(group), retries: {} }, { createdAt: YOUNG });
    for (const [first, second, isShadowed] of [
      ["reads", "reads", true],
      ["all", "reads", true],
      ["all", "users", true],
      ["reads", "all", false],
      ["reads", "users", false],
    ] as const) {
      const model = compileModel([...BASE, all, early(first), late(second)], null);
      assert.equal(
        findPort(model, "default/reviews", 80).routePolicies.length,
        isShadowed ? 1 : 2,
        `${first} ${second}`,
      );
      assert.deepEqual(
        messages(model),
        isShadowed
          ? [
              'late: TrafficPolicy "early" is older and takes all requests to "reviews" port 80 that this one is for, so it has no effect there',
            ]
          : [],
      );
    }
  });
});

const anyPolicies: fc.Arbitrary<readonly Resource[]> = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom("a", "b", "c", "d"),
      createdAt: fc.constantFrom(OLD, YOUNG),
      group: fc.constantFrom(null, "reads", "users", "nowhere"),
      sections: fc.subarray([...SECTIONS], { minLength: 1 }),
      isOther: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4, selector: ({ name }) => name },
  )
  .map((all) =>
    all.map(({ name, createdAt, group, sections, isOther }) => {
      const allowed = sections.filter(
        (section) =>
          !(section === "rewrite" && sections.includes("redirect")) &&
          (group === null || SECTIONS.indexOf(section) >= SECTIONS.indexOf("timeouts")),
      );
      const written = allowed.map((section) => [section, WRITTEN[section][isOther ? 1 : 0]] as const);
      const spec = written.length === 0 ? { retries: {} } : Object.fromEntries(written);
      return samplePolicy(name, { ...(group === null ? {} : { matches: NAMED(group) }), ...spec }, { createdAt });
    }),
  );

describe("compileModel() with any policies", () => {
  it("means the same in any order of the resources", () => {
    fc.assert(
      fc.property(
        anyPolicies.chain((policies) => {
          const resources = [...BASE, ...policies];
          return fc.tuple(fc.constant(resources), fc.shuffledSubarray(resources, { minLength: resources.length }));
        }),
        ([resources, shuffled]) => {
          assert.deepEqual(compileModel(shuffled, null), compileModel(resources, null));
        },
      ),
      { seed: 20261123, numRuns: 200 },
    );
  });

  it("keeps the objects of what did not change, down to the whole port", () => {
    fc.assert(
      fc.property(anyPolicies, (policies) => {
        const before = compileModel([...BASE, ...policies], null);
        const unrelated = [
          sampleService("other"),
          samplePolicy("other", { targetRef: { kind: "Service", name: "other" }, retries: {} }),
        ];
        const after = compileModel([...BASE, ...policies, ...unrelated].toReversed(), before);
        assert.notEqual(after, before);
        assert.equal(findPort(after, "default/reviews", 80), findPort(before, "default/reviews", 80));
        assert.equal(compileModel([...BASE, ...policies], before), before);
      }),
      { seed: 20261123, numRuns: 100 },
    );
  });

  it("says of each section of each policy either that it is in force or why not", () => {
    fc.assert(
      fc.property(anyPolicies, (policies) => {
        const model = compileModel([...BASE, ...policies], null);
        const port = findPort(model, "default/reviews", 80);
        for (const policy of policies) {
          const key = `default/${policy.metadata.name}`;
          const isTold = model.conditions.some(({ name }) => name === policy.metadata.name);
          const isTaking = port.routePolicies.some((route) => route.key.split(",").includes(key));
          const spec = policy.spec as Record<string, unknown>;
          const isAboutInstances = SECTIONS.slice(0, SECTIONS.indexOf("timeouts")).some(
            (one) => spec[one] !== undefined,
          );
          assert.ok(isTold || isTaking || (isAboutInstances && port.policy !== null), key);
        }
      }),
      { seed: 20261123, numRuns: 200 },
    );
  });
});

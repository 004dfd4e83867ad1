import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findKind, type KindDefinition, SERVED_KINDS, toServedVersion } from "../registry.ts";
import type { Resource } from "../resource.ts";
import { formatProblem } from "../problem.ts";
import { validateResource } from "../validate.ts";
import { parseQuantity, toWholeNumbers } from "./quantity.ts";

const SPECS = "specs.smi-spec.io";
const SPLIT = "split.smi-spec.io";
const ACCESS = "access.smi-spec.io";

/** As it is stored. */
function store(written: object): Resource {
  const { resource, problems } = validateResource(written, { file: "test" });
  assert.ok(resource !== null, problems.map(formatProblem).join("\n"));
  return resource;
}

function kindIn(apiVersion: string, kind: string): KindDefinition {
  const found = findKind(apiVersion, kind);
  assert.ok(found !== null, `${apiVersion} ${kind}`);
  return found;
}

/** The object in a version; a text: why it is refused. */
function read(stored: Resource, apiVersion: string): Resource | string {
  const served = toServedVersion(kindIn(apiVersion, stored.kind), stored);
  return served.loss ?? served.object;
}

function objectOf(apiVersion: string, kind: string, content: object, annotations?: Record<string, string>): object {
  const metadata = { name: "a", namespace: "shop", ...(annotations === undefined ? {} : { annotations }) };
  return { apiVersion, kind, metadata, ...content };
}

const MATCH = { name: "get", pathRegex: "/a", methods: ["GET"] };
const HEADERS = { headers: { "X-A": "1" } };

test("C HTTPRouteGroup: v1alpha1 to v1alpha4, what v1alpha1 can say", () => {
  const stored = store(objectOf(`${SPECS}/v1alpha1`, "HTTPRouteGroup", { matches: [MATCH] }));
  assert.deepEqual(
    stored,
    objectOf(`${SPECS}/v1alpha4`, "HTTPRouteGroup", { spec: { matches: [{ ...MATCH, headers: {} }] } }),
  );
  assert.deepEqual(
    read(stored, `${SPECS}/v1alpha1`),
    objectOf(`${SPECS}/v1alpha1`, "HTTPRouteGroup", { matches: [MATCH] }),
  );
  assert.deepEqual(
    read(stored, `${SPECS}/v1alpha2`),
    objectOf(`${SPECS}/v1alpha2`, "HTTPRouteGroup", { matches: [{ ...MATCH, headers: {} }] }),
  );
});

test("C HTTPRouteGroup: headers are in every version but v1alpha1, which is refused", () => {
  for (const headers of [{ "X-A": "1" }, [{ "X-A": "1" }, { "X-B": "2" }]]) {
    const matches = [{ ...MATCH, headers }];
    const stored = store(objectOf(`${SPECS}/v1alpha2`, "HTTPRouteGroup", { matches }));
    assert.deepEqual(
      read(stored, `${SPECS}/v1alpha3`),
      objectOf(`${SPECS}/v1alpha3`, "HTTPRouteGroup", { spec: { matches } }),
    );
    assert.deepEqual(read(stored, `${SPECS}/v1alpha2`), objectOf(`${SPECS}/v1alpha2`, "HTTPRouteGroup", { matches }));
    assert.equal(read(stored, `${SPECS}/v1alpha1`), "the headers of get: without them it would mean more requests");
  }
  const wrong = validateResource(
    objectOf(`${SPECS}/v1alpha1`, "HTTPRouteGroup", { matches: [{ ...MATCH, ...HEADERS }] }),
    { file: "t" },
  );
  assert.deepEqual(wrong.problems.map(formatProblem), [
    't: error: matches[0]: found unknown field "headers"; expected one of methods, name, pathRegex',
  ]);
});

test("C TCPRoute: before v1alpha4 it means every port, and one with ports is refused there", () => {
  for (const [version, content] of [
    ["v1alpha1", {}],
    ["v1alpha2", {}],
    ["v1alpha3", { spec: {} }],
  ] as const) {
    const written = objectOf(`${SPECS}/${version}`, "TCPRoute", content);
    const stored = store(written);
    assert.deepEqual(stored["spec"], { matches: { ports: [] } });
    assert.deepEqual(read(stored, `${SPECS}/${version}`), written);
    const limited = store(objectOf(`${SPECS}/v1alpha4`, "TCPRoute", { spec: { matches: { ports: [80, 81] } } }));
    assert.equal(read(limited, `${SPECS}/${version}`), "its ports (80, 81): without them it would mean every port");
    const named = store(objectOf(`${SPECS}/v1alpha4`, "TCPRoute", { spec: { matches: { name: "sql" } } }));
    assert.equal(read(named, `${SPECS}/${version}`), 'spec.matches.name ("sql")');
    const wrong = validateResource(
      objectOf(`${SPECS}/${version}`, "TCPRoute", { spec: { matches: { ports: [80] } } }),
      { file: "t" },
    );
    assert.equal(wrong.resource, null, "ports that would be dropped");
  }
});

test("C TrafficSplit: matches are in v1alpha3 and v1alpha4, and refused before", () => {
  const spec = {
    service: "a",
    backends: [{ service: "b", weight: 1 }],
    matches: [{ kind: "HTTPRouteGroup", name: "g" }],
  };
  const stored = store(objectOf(`${SPLIT}/v1alpha3`, "TrafficSplit", { spec }));
  assert.deepEqual(read(stored, `${SPLIT}/v1alpha3`), objectOf(`${SPLIT}/v1alpha3`, "TrafficSplit", { spec }));
  for (const version of ["v1alpha1", "v1alpha2"]) {
    assert.equal(read(stored, `${SPLIT}/${version}`), "its matches (g): without them it would split every request");
    assert.equal(
      validateResource(objectOf(`${SPLIT}/${version}`, "TrafficSplit", { spec }), { file: "t" }).resource,
      null,
    );
  }
});

for (const [weights, expected] of [
  [
    [50, 50],
    [50, 50],
  ],
  [
    ["50", "50"],
    [50, 50],
  ],
  [
    ["1", "500m"],
    [2, 1],
  ],
  [
    ["500m", "500m"],
    [1, 1],
  ],
  [
    ["10m", 0],
    [1, 0],
  ],
  [
    [0, 0],
    [0, 0],
  ],
  [
    ["0", "0m"],
    [0, 0],
  ],
  [
    ["1.5", "0.5"],
    [3, 1],
  ],
  [
    ["1k", "1"],
    [1000, 1],
  ],
  [
    ["1Ki", "1e3"],
    [1024, 1000],
  ],
  [
    ["2M", "1M"],
    [2, 1],
  ],
] as const) {
  test(`S25 C TrafficSplit: weights of v1alpha1 ${JSON.stringify(weights)} are ${JSON.stringify(expected)}`, () => {
    const spec = { service: "a", backends: weights.map((weight, index) => ({ service: `b${index}`, weight })) };
    const written = objectOf(`${SPLIT}/v1alpha1`, "TrafficSplit", { spec });
    const stored = store(written);
    const { backends } = stored["spec"] as { readonly backends: readonly { readonly weight: number }[] };
    assert.deepEqual(
      backends.map(({ weight }) => weight),
      expected,
    );
    assert.deepEqual(read(stored, `${SPLIT}/v1alpha1`), written, "read as it was written");
    const newer = read(stored, `${SPLIT}/v1alpha4`) as Resource;
    assert.deepEqual(store(newer), stored);
    const changed = structuredClone(newer) as unknown as { spec: { backends: { weight: number }[] } };
    changed.spec.backends.forEach((backend, index) => (backend.weight = index + 7));
    const after = read(store(changed), `${SPLIT}/v1alpha1`) as Resource;
    const numbers = (after["spec"] as typeof changed.spec).backends.map(({ weight }) => weight);
    assert.deepEqual(numbers, [7, 8], "what was kept of older weights is not shown");
  });
}

for (const weight of ["-1", -1, "", "m", "1x", "0.1n", "1e99", true, null, "9999999999999999999999999999999"]) {
  test(`S26 C TrafficSplit: the weight ${JSON.stringify(weight)} is refused in v1alpha1`, () => {
    const spec = {
      service: "a",
      backends: [
        { service: "b", weight },
        { service: "c", weight: 1 },
      ],
    };
    assert.equal(
      validateResource(objectOf(`${SPLIT}/v1alpha1`, "TrafficSplit", { spec }), { file: "t" }).resource,
      null,
    );
  });
}

test("C quantities: whole numbers in the same ratio, or none", () => {
  const amount = fc.record({ digits: fc.nat(100_000), suffix: fc.constantFrom("", "m", "u", "k", "Ki", "M") });
  fc.assert(
    fc.property(fc.array(amount, { minLength: 1, maxLength: 6 }), (amounts) => {
      const quantities = amounts.map(({ digits, suffix }) => parseQuantity(`${digits}${suffix}`) ?? -1n);
      assert.ok(quantities.every((quantity) => quantity >= 0n));
      const numbers = toWholeNumbers(quantities, 1_000_000);
      for (const [i, a] of (numbers ?? []).entries()) {
        for (const [j, b] of (numbers ?? []).entries()) {
          assert.equal((quantities[i] ?? 0n) * BigInt(b), (quantities[j] ?? 0n) * BigInt(a));
        }
      }
    }),
    { seed: 1, numRuns: 500 },
  );
});

const RULE = { kind: "TCPRoute", name: "r", matches: [] };
const ACCOUNT = { kind: "ServiceAccount", name: "x", namespace: "shop" };

test("A30 C TrafficTarget: the port of v1alpha1 and v1alpha2 is kept, and told in an annotation later", () => {
  const destination = { ...ACCOUNT, port: 8080 };
  const old = objectOf(`${ACCESS}/v1alpha1`, "TrafficTarget", { destination, specs: [RULE], sources: [ACCOUNT] });
  const mid = objectOf(`${ACCESS}/v1alpha2`, "TrafficTarget", {
    spec: { destination, rules: [RULE], sources: [ACCOUNT] },
  });
  const spec = { destination: ACCOUNT, rules: [RULE], sources: [ACCOUNT] };
  const noted = { "weft.dev/destination-port": "8080" };
  for (const written of [old, mid]) {
    const stored = store(written);
    assert.deepEqual(stored, objectOf(`${ACCESS}/v1alpha4`, "TrafficTarget", { spec }, noted));
    assert.deepEqual(read(stored, `${ACCESS}/v1alpha1`), old);
    assert.deepEqual(read(stored, `${ACCESS}/v1alpha2`), mid);
    assert.deepEqual(
      read(stored, `${ACCESS}/v1alpha3`),
      objectOf(`${ACCESS}/v1alpha3`, "TrafficTarget", { spec }, noted),
    );
  }
  for (const version of ["v1alpha3", "v1alpha4"]) {
    const wrong = objectOf(`${ACCESS}/${version}`, "TrafficTarget", { spec }, { "weft.dev/destination-port": "http" });
    assert.equal(validateResource(wrong, { file: "t" }).resource, null, "an annotation that cannot be enforced");
    const port = objectOf(`${ACCESS}/${version}`, "TrafficTarget", { spec: { ...spec, destination } });
    assert.equal(validateResource(port, { file: "t" }).resource, null, "the field of older versions");
  }
});

test("C TrafficTarget: what was left out is filled in, and a target without rules is refused in every version", () => {
  const bare = { kind: "ServiceAccount", name: "x" };
  const stored = store(
    objectOf(`${ACCESS}/v1alpha1`, "TrafficTarget", { destination: bare, specs: [{ kind: "TCPRoute", name: "r" }] }),
  );
  assert.deepEqual(stored["spec"], { destination: ACCOUNT, rules: [RULE], sources: [] });
  for (const content of [{ destination: bare, sources: [bare] }, { spec: { destination: bare, sources: [bare] } }]) {
    const version = "spec" in content ? "v1alpha2" : "v1alpha1";
    assert.equal(
      validateResource(objectOf(`${ACCESS}/${version}`, "TrafficTarget", content), { file: "t" }).resource,
      null,
    );
  }
});

test("C TrafficTarget: rules about UDP are in v1alpha3 and v1alpha4, and refused before", () => {
  const spec = { destination: ACCOUNT, rules: [{ kind: "UDPRoute", name: "dns", matches: [] }], sources: [ACCOUNT] };
  const stored = store(objectOf(`${ACCESS}/v1alpha3`, "TrafficTarget", { spec }));
  assert.deepEqual(read(stored, `${ACCESS}/v1alpha3`), objectOf(`${ACCESS}/v1alpha3`, "TrafficTarget", { spec }));
  for (const version of ["v1alpha1", "v1alpha2"]) {
    assert.equal(read(stored, `${ACCESS}/${version}`), "its rules about UDP (dns): it has no UDPRoute");
  }
});

test("C7 a target with an IdentityBinding is refused where there are none, in both directions", () => {
  const subject = { kind: "IdentityBinding", name: "bank", namespace: "shop" };
  const account = { kind: "ServiceAccount", name: "web", namespace: "shop" };
  const rules = [{ kind: "HTTPRouteGroup", name: "g", matches: [] }];
  for (const spec of [
    { destination: account, rules, sources: [subject] },
    { destination: subject, rules, sources: [account] },
  ]) {
    const stored = store(objectOf(`${ACCESS}/v1alpha4`, "TrafficTarget", { spec }));
    for (const version of ["v1alpha1", "v1alpha2", "v1alpha3"]) {
      assert.equal(read(stored, `${ACCESS}/${version}`), "its IdentityBindings (bank): it has no IdentityBinding");
    }
    const { resource } = validateResource(objectOf(`${ACCESS}/v1alpha3`, "TrafficTarget", { spec }), { file: "test" });
    assert.equal(resource, null);
  }
});

test("C every kind of the versions before is served in them, and stored in one", () => {
  const served = SERVED_KINDS.filter(({ group }) => group.endsWith("smi-spec.io")).map(
    ({ group, version, kind }) => `${kind} ${group}/${version}`,
  );
  assert.deepEqual(
    served.toSorted(),
    [
      ...["v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"].flatMap((version) => [
        `HTTPRouteGroup ${SPECS}/${version}`,
        `TCPRoute ${SPECS}/${version}`,
        `TrafficSplit ${SPLIT}/${version}`,
        `TrafficTarget ${ACCESS}/${version}`,
      ]),
      `UDPRoute ${SPECS}/v1alpha4`,
      `IdentityBinding ${ACCESS}/v1alpha4`,
    ].toSorted(),
  );
});

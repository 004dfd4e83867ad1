// What is legal and probably not meant: the same words by `weft apply` and by the API (Warning headers, which kubectl prints).
import assert from "node:assert/strict";
import { after, afterEach, beforeEach, test } from "node:test";
import { formatCollectionPath } from "../apiserver/resource-paths.ts";
import { parseResourceFile } from "../resources/parse-file.ts";
import { listReferencedKinds } from "../resources/referenced-kinds.ts";
import { KINDS } from "../resources/registry.ts";
import { toResourceKey } from "../store/store-key.ts";
import { startTestCli, type TestCli } from "./test-host.ts";

const WORLD = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: idle }
spec: { ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-0, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
endpoints: [{ addresses: [127.0.0.1] }]
ports: [{ name: http, port: 40001 }]
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web }
---
apiVersion: v1
kind: Secret
metadata: { name: password }
type: Opaque
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: reads }
spec: { matches: [{ name: get, methods: [GET] }] }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: never }
spec: { matches: [{ name: none, pathRegex: api }] }
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: older }
spec: { service: web, backends: [{ service: web, weight: 1 }] }
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: older-reads }
spec: { service: idle, backends: [{ service: web, weight: 1 }], matches: [{ kind: HTTPRouteGroup, name: reads }] }
---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: older }
spec:
  targetRef: { kind: Service, name: web }
  matches: [{ kind: HTTPRouteGroup, name: reads }]
  timeouts: { request: 1s }
`;

const TARGET = `apiVersion: access.smi-spec.io/v1alpha4\nkind: TrafficTarget\nmetadata: { name: younger }\n`;
const subject = (name: string): string => `{ kind: ServiceAccount, name: ${name} }`;
const target = (destination: string, rule: string, sources: string): string =>
  `${TARGET}spec: { destination: ${subject(destination)}, rules: [${rule}], sources: [${sources}] }\n`;
const split = (rest: string): string =>
  `apiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: { name: younger }\nspec: { ${rest} }\n`;
const ingress = (spec: string, annotations: string = "{}"): string =>
  `apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: younger, annotations: ${annotations} }\nspec: ${spec}\n`;
const policy = (rest: string): string =>
  `apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: { name: younger }\nspec: { ${rest} }\n`;
const READS = "{ kind: HTTPRouteGroup, name: reads }";

/** What is written, and the beginning of each warning. */
const ROWS: readonly (readonly [string, string, readonly string[]])[] = [
  [
    "a split of no Service",
    split("service: gone, backends: [{ service: web, weight: 1 }]"),
    ['spec.service: found unknown name "gone"'],
  ],
  [
    "a backend that is no Service",
    split("service: idle, backends: [{ service: gone, weight: 1 }]"),
    ['spec.backends[0].service: found unknown name "gone"'],
  ],
  [
    "a backend without endpoints",
    split("service: idle, backends: [{ service: idle, weight: 1 }]"),
    ['spec.backends[0].service: found "idle", which has no endpoints'],
  ],
  [
    "no weight above 0",
    split("service: idle, backends: [{ service: web, weight: 0 }]"),
    ["spec.backends: found no weight above 0"],
  ],
  [
    "a split with no such matches",
    split("service: idle, backends: [{ service: web, weight: 1 }], matches: [{ kind: HTTPRouteGroup, name: gone }]"),
    ['spec.matches[0].name: found unknown name "gone"'],
  ],
  [
    "a second split of a Service",
    split("service: web, backends: [{ service: web, weight: 1 }]"),
    ['spec.service: found another split of "web"'],
  ],
  [
    "a split that an older one leaves nothing for",
    split("service: idle, backends: [{ service: web, weight: 1 }], matches: [{ kind: HTTPRouteGroup, name: reads }]"),
    ['spec.matches: found only requests that TrafficSplit "older-reads" takes first'],
  ],
  [
    "a destination that is no account",
    target("gone", READS, subject("web")),
    ['spec.destination.name: found unknown name "gone"'],
  ],
  [
    "a source that is no account",
    target("web", READS, subject("gone")),
    ['spec.sources[0].name: found unknown name "gone"'],
  ],
  ["nobody who may call", target("web", READS, ""), ["spec.sources: found an empty list"]],
  [
    "a rule that is not there",
    target("web", "{ kind: HTTPRouteGroup, name: gone }", subject("web")),
    ['spec.rules[0].name: found unknown name "gone"', "spec.rules: found no rule that any request fits"],
  ],
  [
    "a UDP rule that is not there",
    target("web", "{ kind: UDPRoute, name: gone }", subject("web")),
    ['spec.rules[0].name: found unknown name "gone"', "spec.rules: found no rule that any request fits"],
  ],
  [
    "a match that is not there",
    target("web", "{ kind: HTTPRouteGroup, name: reads, matches: [put] }", subject("web")),
    ['spec.rules[0].matches[0]: found unknown name "put"', "spec.rules: found no rule that any request fits"],
  ],
  [
    "a rule that can never match",
    target("web", "{ kind: HTTPRouteGroup, name: never }", subject("web")),
    ["spec.rules: found no rule that any request fits"],
  ],
  [
    "a path that none has",
    "apiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: { name: younger }\nspec: { matches: [{ name: a, pathRegex: 'api' }] }\n",
    ['spec.matches[0].pathRegex: found "api"'],
  ],
  [
    "a group without matches",
    "apiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: { name: younger }\nspec: { matches: [] }\n",
    ["spec.matches: found an empty list"],
  ],
  [
    "endpoints of nobody",
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: younger }\naddressType: IPv4\nendpoints: []\nports: []\n",
    ["metadata: found no label kubernetes.io/service-name"],
  ],
  [
    "endpoints of a Service that is not there",
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: younger, labels: { kubernetes.io/service-name: gone } }\naddressType: IPv4\nendpoints: []\nports: []\n",
    ['metadata.labels["kubernetes.io/service-name"]: found unknown name "gone"'],
  ],
  [
    "strict access that allows nobody",
    "apiVersion: weft.dev/v1alpha1\nkind: Mesh\nmetadata: { name: mesh }\nspec: { access: strict }\n",
    ["spec.access: found strict, and no TrafficTarget in the mesh"],
  ],
  [
    "a policy for nobody",
    policy("targetRef: { kind: Service, name: gone }, timeouts: { request: 1s }"),
    ['spec.targetRef.name: found unknown name "gone"'],
  ],
  [
    "a policy for a port that is not there",
    policy("targetRef: { kind: Service, name: idle, port: 81 }, timeouts: { request: 1s }"),
    ["spec.targetRef.port: found 81"],
  ],
  [
    "a second policy of a Service",
    policy(
      "targetRef: { kind: Service, name: web }, matches: [{ kind: HTTPRouteGroup, name: reads }], timeouts: { request: 1s }",
    ),
    ['spec.matches: found only requests that TrafficPolicy "older" takes first'],
  ],
  [
    "a fault that nothing gets through",
    policy(
      "targetRef: { kind: Service, name: idle }, faults: [{ name: all, abort: { httpStatus: 503 }, until: '2030-01-01T00:00:00Z' }]",
    ),
    ["spec.faults[0].until: found 2030", "spec.faults[0]: found a failure of all requests"],
  ],
  [
    "an Ingress to no Service",
    ingress("{ defaultBackend: { service: { name: gone, port: { number: 80 } } } }"),
    ['spec.defaultBackend.service.name: found unknown name "gone"'],
  ],
  [
    "an Ingress to a port that is not there",
    ingress("{ defaultBackend: { service: { name: web, port: { number: 81 } } } }"),
    ["spec.defaultBackend.service.port.number: found 81"],
  ],
  [
    "an Ingress to a port of another name",
    ingress(
      "{ rules: [{ http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { name: admin } } } }] } }] }",
    ),
    ['spec.rules[0].http.paths[0].backend.service.port.name: found "admin"'],
  ],
  [
    "an Ingress without its certificate",
    ingress("{ defaultBackend: { service: { name: web, port: { name: http } } }, tls: [{ secretName: gone }] }"),
    ['spec.tls[0].secretName: found unknown name "gone"'],
  ],
  [
    "an Ingress with another Secret",
    ingress("{ defaultBackend: { service: { name: web, port: { name: http } } }, tls: [{ secretName: password }] }"),
    ['spec.tls[0].secretName: found "password" of type Opaque'],
  ],
  [
    "an Ingress of no class",
    ingress("{ ingressClassName: gone, defaultBackend: { service: { name: web, port: { name: http } } } }"),
    ['spec.ingressClassName: found unknown name "gone"'],
  ],
  [
    "an Ingress of no class, as it was once named",
    ingress(
      "{ defaultBackend: { service: { name: web, port: { name: http } } } }",
      "{ kubernetes.io/ingress.class: gone }",
    ),
    ['metadata.annotations["kubernetes.io/ingress.class"]: found unknown name "gone"'],
  ],
];

let cli: TestCli;
const seen = new Set<string>();

beforeEach(async () => {
  cli = await startTestCli();
});

afterEach(() => cli.close());

for (const [what, yaml, expected] of ROWS) {
  test(`a warning of ${what}, by weft apply and by the API`, async () => {
    assert.equal((await cli.run("apply", "-f", cli.file("world.yaml", WORLD))).exitCode, 0);
    const { resources, problems } = parseResourceFile(yaml, "new.yaml");
    assert.deepEqual(problems, []);
    const byApi: string[] = [];
    for (const resource of resources) {
      seen.add(resource.kind);
      const path = formatCollectionPath(toResourceKey(resource), resource.metadata.namespace);
      const answer = await fetch(`${cli.api.baseUrl}${path}?dryRun=All`, {
        method: "POST",
        headers: { authorization: `Bearer ${cli.api.token}`, "content-type": "application/json" },
        body: JSON.stringify(resource),
      });
      assert.equal(answer.status, 201, await answer.text());
      byApi.push(...readWarnings(answer.headers.get("warning") ?? ""));
    }
    const run = await cli.run("apply", "-f", cli.file("new.yaml", yaml));
    assert.equal(run.exitCode, 0, run.stderr);
    const byApply = run.stderr
      .trim()
      .split("\n")
      .map((line) => line.replace(/^new\.yaml:\d+:\d+: warning: /, ""));
    assert.deepEqual(byApply, byApi, "the same words");
    assert.deepEqual(
      byApply.map((text, index) => text.slice(0, expected[index]?.length)),
      expected,
      run.stderr,
    );
  });
}

after(() => {
  const silent = KINDS.filter((definition) => listReferencedKinds({ kind: definition.kind } as never) !== null);
  assert.deepEqual(
    [...seen].toSorted(),
    silent.map(({ kind }) => kind).toSorted(),
    "each kind of which something is said has a row",
  );
});

/** Of `299 - "text", 299 - "text"`. */
function readWarnings(header: string): readonly string[] {
  const texts = [...header.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text.replace(/\\(.)/g, "$1"));
  return texts.map((text) => Buffer.from(text, "latin1").toString("utf8"));
}

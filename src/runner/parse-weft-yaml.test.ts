import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem } from "../resources/problem.ts";
import { parseWeftYaml } from "./parse-weft-yaml.ts";
import type { WeftYaml } from "./weft-yaml.ts";

/** The example of the design, word for word. */
const DESIGN = `mesh: shop                     # name; trust domain is <name>.mesh unless trustDomain is set
access: strict                 # strict | permissive
ingress:
  - port: 8080
    service: web
services:
  web:
    command: node web.mjs
    port: 80
    allow: []
  reviews:
    versions:
      v1: { command: node reviews.mjs, replicas: 2 }
      v2: { command: node reviews.mjs, env: { STARS: "yes" } }
  legacy:
    address: 127.0.0.1:5432
    protocol: tcp
resources: [policies/*.yaml]
`;

function parse(text: string): WeftYaml {
  const { config, problems } = parseWeftYaml(text, "weft.yaml");
  assert.deepEqual(problems.map(formatProblem), []);
  assert.ok(config !== null);
  return config;
}

function problemsOf(text: string): readonly string[] {
  return parseWeftYaml(text, "weft.yaml").problems.map(formatProblem);
}

test("parseWeftYaml() reads the example of the design with every default", () => {
  const command = { kind: "command", command: "node reviews.mjs", replicas: 1, appPort: null, env: {} } as const;
  assert.deepEqual(parse(DESIGN), {
    mesh: "shop",
    trustDomain: "shop.mesh",
    access: "strict",
    egress: "allow",
    certificateLifetime: "24h",
    ingress: [{ port: 8080, tls: null, bind: "127.0.0.1", service: "web", servicePort: 80, passthrough: [] }],
    ingressWorkers: 1,
    zone: "",
    services: [
      {
        name: "web",
        port: 80,
        protocol: "http",
        workers: 1,
        allow: [],
        versions: [{ name: "", source: { ...command, command: "node web.mjs" }, zone: "" }],
      },
      {
        name: "reviews",
        port: 80,
        protocol: "http",
        workers: 1,
        allow: null,
        versions: [
          { name: "v1", source: { ...command, replicas: 2 }, zone: "" },
          { name: "v2", source: { ...command, env: { STARS: "yes" } }, zone: "" },
        ],
      },
      {
        name: "legacy",
        port: 5432,
        protocol: "tcp",
        workers: 1,
        allow: null,
        versions: [{ name: "", source: { kind: "address", host: "127.0.0.1", port: 5432 }, zone: "" }],
      },
    ],
    store: null,
    resources: ["policies/*.yaml"],
  } satisfies WeftYaml);
});

test("parseWeftYaml() takes a mesh without services", () => {
  assert.deepEqual(parse("mesh: empty").services, []);
});

test("parseWeftYaml() gives versions the env of their service and lets them change it", () => {
  const config = parse(`mesh: m
services:
  a: { env: { ONE: 1, TWO: two }, versions: { v1: { command: a }, v2: { command: a, env: { TWO: true } } } }`);
  const envs = config.services[0]?.versions.map(({ source }) => (source.kind === "command" ? source.env : null));
  assert.deepEqual(envs, [
    { ONE: "1", TWO: "two" },
    { ONE: "1", TWO: "true" },
  ]);
});

test("parseWeftYaml() reads addresses with names and IPv6", () => {
  const config = parse(`mesh: m
services:
  a: { address: "[::1]:80" }
  b: { address: db.example.com:5432, protocol: tcp, port: 15432 }`);
  assert.deepEqual(
    config.services.map((service) => [service.port, service.versions[0]?.source]),
    [
      [80, { kind: "address", host: "::1", port: 80 }],
      [15_432, { kind: "address", host: "db.example.com", port: 5432 }],
    ],
  );
});

const REFUSED: readonly { readonly fact: string; readonly text: string; readonly problems: readonly string[] }[] = [
  {
    fact: "an empty file",
    text: "",
    problems: ["weft.yaml:1:1: error: found an empty file; expected one document with mesh and services"],
  },
  {
    fact: "two documents",
    text: "mesh: a\n---\nmesh: b\n",
    problems: ["weft.yaml:3:1: error: found 2 documents; expected one document with mesh and services"],
  },
  {
    fact: "every schema error at once",
    text: "mesh: Shop\nacess: strict\nservices:\n  web:\n    command: x\n    replicas: 0\n    port: http\n",
    problems: [
      'weft.yaml:1:7: error: mesh: found "Shop"; expected a DNS label: 1 to 63 of a-z, 0-9 and -, starting and ending with a letter or digit',
      'weft.yaml:2:1: error: found unknown field "acess"; expected `access`',
      "weft.yaml:6:15: error: services.web.replicas: found 0; expected a whole number of 1 to 50",
      'weft.yaml:7:11: error: services.web.port: found "http" (string); expected a port: a whole number of 1 to 65535',
    ],
  },
  {
    fact: "a service with nothing to run",
    text: "mesh: m\nservices:\n  web: {}\n  api: { env: { A: b } }\n",
    problems: [
      "weft.yaml:3:3: error: services.web: found nothing to run; expected command, address or versions",
      "weft.yaml:4:3: error: services.api: found no command; expected command, address or versions",
    ],
  },
  {
    fact: "a command beside versions and a command beside an address",
    text: "mesh: m\nservices:\n  a: { command: x, versions: { v1: { command: y } } }\n  b: { address: 127.0.0.1:1, command: x }\n",
    problems: [
      "weft.yaml:3:8: error: services.a.command: found command beside versions; expected command inside each version",
      "weft.yaml:4:30: error: services.b.command: found command beside address; expected none: weft does not start what is at an address",
    ],
  },
  {
    fact: "one app port for several replicas",
    text: "mesh: m\nservices:\n  a: { command: x, replicas: 2, appPort: 9000 }\n",
    problems: [
      "weft.yaml:3:42: error: services.a.appPort: found one port for 2 replicas; expected replicas: 1, or no appPort (each instance then gets its own PORT)",
    ],
  },
  {
    fact: "PORT among the variables",
    text: "mesh: m\nservices:\n  a: { command: x, env: { PORT: 80 } }\n",
    problems: [
      "weft.yaml:3:27: error: services.a.env.PORT: found PORT, which weft assigns; expected appPort, when the app must listen on a port of its own",
    ],
  },
  {
    fact: "a version whose Service name is taken, and instances that would have one name",
    text: "mesh: m\nservices:\n  a-v1: { command: x }\n  a: { versions: { v1: { command: y } } }\n",
    problems: [
      'weft.yaml:4:20: error: services.a.versions.v1: found "a-v1", which is the service a-v1; expected a version whose Service name is free',
      'weft.yaml:4:20: error: services.a.versions.v1: found an instance "a-v1-0" of version v1 of a and of the service a-v1; expected names that differ',
    ],
  },
  {
    fact: "a service with the gateway's name",
    text: "mesh: m\nservices:\n  ingress: { command: x }\n",
    problems: [
      'weft.yaml:3:3: error: services.ingress: found "ingress"; expected another name: this one is the ingress gateway\'s',
    ],
  },
  {
    fact: "two listeners on one port",
    text: "mesh: m\nservices: { a: { command: x } }\ningress: [{ port: 80, service: a }, { port: 80, service: a }]\n",
    problems: ["weft.yaml:3:45: error: ingress[1].port: found 80; expected a port that no other entry has"],
  },
  {
    fact: "an address without a port, a lifetime that is too short and a wrong bind",
    text: "mesh: m\ncertificateLifetime: 1s\nservices: { a: { address: localhost } }\ningress: [{ port: 1, service: a, bind: here }]\n",
    problems: [
      'weft.yaml:2:22: error: certificateLifetime: found "1s"; expected a duration of 10s to 8760h, e.g. 24h or 90m',
      'weft.yaml:3:27: error: services.a.address: found "localhost"; expected an address like 127.0.0.1:5432 or db.example.com:5432',
      'weft.yaml:4:40: error: ingress[0].bind: found "here"; expected an IP address, e.g. 127.0.0.1 or 0.0.0.0',
    ],
  },
];

for (const { fact, text, problems } of REFUSED) {
  test(`parseWeftYaml() refuses ${fact}`, () => {
    const parsed = parseWeftYaml(text, "weft.yaml");
    assert.deepEqual(parsed.problems.map(formatProblem), problems);
    assert.equal(parsed.config, null);
  });
}

test("parseWeftYaml() warns of names in allow and ingress that the file does not have", () => {
  const text =
    "mesh: m\nservices:\n  a: { command: x, allow: [ingress, a, bee] }\ningress: [{ port: 0, service: ay }]\n";
  assert.deepEqual(problemsOf(text), [
    'weft.yaml:3:40: warning: services.a.allow[2]: found unknown name "bee"; expected a service of this file, or ingress',
    'weft.yaml:4:31: warning: ingress[0].service: found unknown name "ay"; expected a service of this file',
  ]);
  assert.ok(parseWeftYaml(text, "weft.yaml").config !== null);
});

test("parseWeftYaml() reads passthrough, and takes only services that opaque bytes may go to", () => {
  const yaml = (protocol: string, ingress: string): string => `mesh: m
ingress:
  - ${ingress}
services:
  db: { address: 127.0.0.1:5432, protocol: ${protocol} }`;
  const rule = 'passthrough: { "*.DB.example.com": db }';
  assert.deepEqual(parse(yaml("detect", `{ port: 8443, ${rule} }`)).ingress, [
    {
      port: 8443,
      bind: "127.0.0.1",
      service: "",
      servicePort: 0,
      tls: null,
      passthrough: [{ host: "*.db.example.com", service: "db", servicePort: 5432 }],
    },
  ]);
  assert.match(problemsOf(yaml("http", `{ port: 8443, ${rule} }`)).join(), /protocol http.*expected.*tcp or detect/s);
  assert.deepEqual(problemsOf(yaml("tcp", "{ port: 8080, tls: 8443 }")), [], "Ingresses say the rest");
  assert.match(problemsOf(yaml("tcp", "{ port: 8080, tls: 8080 }")).join(), /a port that no other entry has/);
  const bad = '{ port: 8443, passthrough: { "*": db } }';
  assert.match(problemsOf(yaml("tcp", bad)).join(), /host name like db\.example\.com/);
});

test("parseWeftYaml() gives each version the nearest zone that is written", () => {
  const text = `
mesh: m
zone: a
services:
  web: { command: node web.mjs }
  api:
    zone: b
    versions:
      v1: { command: node api.mjs }
      v2: { command: node api.mjs, zone: c }
`;
  const { config } = parseWeftYaml(text, "weft.yaml");
  const zones = config?.services.flatMap(({ versions }) => versions.map(({ zone }) => zone));
  assert.deepEqual([config?.zone, zones], ["a", ["a", "b", "c"]]);
});

test("parseWeftYaml() reads a store, alone or with its files, and refuses what is none", () => {
  assert.deepEqual(parse("mesh: m\nstore: etcd://h1:2379,h2:2379").store, { url: "etcd://h1:2379,h2:2379", files: {} });
  const text = "mesh: m\nstore: { url: 'etcds://h:2379', ca: ca.pem, user: weft, passwordFile: pw }";
  const files = { ca: "ca.pem", user: "weft", passwordFile: "pw" };
  assert.deepEqual(parse(text).store, { url: "etcds://h:2379", files });
  assert.equal(parse("mesh: m").store, null);
  for (const bad of ["etcd://", "etcd://h", "http://h:2379", "etcd://weft:secret@h:2379", "{ ca: ca.pem }", "5"]) {
    assert.match(problemsOf(`mesh: m\nstore: ${bad}`).join(), /expected .*etcd:\/\/host:port/, bad);
  }
});

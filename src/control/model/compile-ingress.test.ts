import assert from "node:assert/strict";
import { test } from "node:test";
import { createOwnCertificate } from "../../identity/own-certificate.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import type { Resource } from "../../resources/resource.ts";
import { validateResource } from "../../resources/validate.ts";
import { compileModel } from "./compile-model.ts";
import { ModelCompiler } from "./model-compiler.ts";
import { listReasons, sampleService } from "./sample-resources.ts";

/** 2026-01-01. */
const NEW_YEAR_MS = 1_767_225_600_000;
const WEB = sampleService("web");

function valid(value: object): Resource {
  const { resource, problems } = validateResource(value, { file: "test" });
  assert.deepEqual(problems, []);
  assert.ok(resource !== null);
  return resource;
}

function ingress(name: string, spec: object, more: { born?: string; annotations?: object } = {}): Resource {
  const metadata = { name, creationTimestamp: more.born ?? "2026-01-01T00:00:00Z", annotations: more.annotations };
  const kept = JSON.parse(JSON.stringify(metadata)) as object;
  return valid({ apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: kept, spec });
}

function rule(host: string, path: string, pathType = "Prefix", service = "web"): object {
  const backend = { service: { name: service, port: { number: 80 } } };
  return { ...(host === "" ? {} : { host }), http: { paths: [{ path, pathType, backend }] } };
}

function secret(name: string, mixed = false): Resource {
  const random = createSeededRandom(1);
  const one = createOwnCertificate(NEW_YEAR_MS, random);
  const key = mixed ? createOwnCertificate(NEW_YEAR_MS, random).keyPem : one.keyPem;
  const stringData = { "tls.crt": one.certificateChainPem, "tls.key": key };
  return valid({ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls", metadata: { name }, stringData });
}

test("of the same host and path the older Ingress counts, and the younger hears of it", () => {
  const model = compileModel(
    [
      WEB,
      ingress("young", { rules: [rule("a.test", "/x/")] }, { born: "2026-02-01T00:00:00Z" }),
      ingress("old", { rules: [rule("a.test", "/x")] }),
    ],
    null,
  );
  assert.deepEqual(model.ingress.hosts[0]?.paths, [
    { path: "/x", isExact: false, target: { ingress: "default/old", service: "default/web", port: 80 } },
  ]);
  assert.deepEqual(listReasons(model), ["Ingress default/young Conflicted OlderIngress"]);
});

test("paths are in the order in which they are tried: longest first, exact before prefix, in canonical form", () => {
  const rules = [rule("a.test", "/"), rule("a.test", "/b%7ec"), rule("a.test", "/b~c", "Exact"), rule("a.test", "/bb")];
  const model = compileModel([WEB, ingress("all", { rules })], null);
  const paths = model.ingress.hosts[0]?.paths.map(({ path, isExact }) => `${isExact ? "=" : "^"}${path}`);
  assert.deepEqual(paths, ["=/b~c", "^/b~c", "^/bb", "^"]);
});

test("what does not exist is said and answered, and nothing else is harmed", () => {
  const rules = [rule("a.test", "/x", "Exact", "gone"), rule("a.test", "/y")];
  const tls = [{ hosts: ["a.test"], secretName: "gone" }];
  const model = compileModel([WEB, ingress("some", { rules, tls })], null);
  assert.deepEqual(
    model.ingress.hosts[0]?.paths.map(({ target }) => target.service),
    ["", "default/web"],
  );
  assert.deepEqual(listReasons(model), [
    "Ingress default/some ResolvedRefs SecretNotFound",
    "Ingress default/some ResolvedRefs ServiceNotFound",
  ]);
});

test("certificates by host; a key that does not fit is not used and not shown", () => {
  const tls = [
    { hosts: ["a.test"], secretName: "good" },
    { hosts: ["b.test"], secretName: "bad" },
  ];
  const model = compileModel(
    [WEB, secret("good"), secret("bad", true), ingress("some", { tls, rules: [rule("a.test", "/")] })],
    null,
  );
  assert.deepEqual(model.ingress.certificates, [{ host: "a.test", secret: "default/good" }]);
  assert.deepEqual(listReasons(model), ["Ingress default/some ResolvedRefs InvalidCertificate"]);
  assert.ok(!JSON.stringify(model.conditions).includes("PRIVATE"));
  assert.deepEqual(
    model.ingress.hosts.map(({ host, isHttpsOnly }) => [host, isHttpsOnly]),
    [
      ["a.test", true],
      ["b.test", true],
    ],
  );
});

test("classes: weft's, another's, an unknown one, and the default", () => {
  const ingressClass = (name: string, controller: string, isDefault: string): Resource =>
    valid({
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name, annotations: { "ingressclass.kubernetes.io/is-default-class": isDefault } },
      spec: { controller },
    });
  const spec = (host: string, ingressClassName?: string): object => {
    return { rules: [rule(host, "/")], ...(ingressClassName === undefined ? {} : { ingressClassName }) };
  };
  const ingresses = [
    ingress("unnamed", spec("unnamed.test")),
    ingress("weft", spec("weft.test", "weft")),
    ingress("nginx", spec("nginx.test", "nginx")),
    ingress("nobody", spec("nobody.test", "nobody")),
  ];
  const hosts = (classes: readonly Resource[]): readonly string[] =>
    compileModel([WEB, ...classes, ...ingresses], null).ingress.hosts.map(({ host }) => host);
  const [weft, nginx] = [
    ingressClass("weft", "weft.dev/ingress", "false"),
    ingressClass("nginx", "k8s.io/nginx", "true"),
  ];
  assert.deepEqual(hosts([]), ["unnamed.test"]);
  assert.deepEqual(hosts([weft]), ["unnamed.test", "weft.test"]);
  assert.deepEqual(hosts([weft, nginx]), ["weft.test"]);
});

test("resources one by one give the same model as all at once, and it stays the same object when nothing changed", () => {
  const resources = [WEB, secret("good"), ingress("some", { tls: [{ secretName: "good" }], rules: [rule("", "/")] })];
  const compiler = new ModelCompiler();
  for (const resource of resources) compiler.put(resource);
  const model = compiler.compile();
  assert.deepEqual(model.ingress, compileModel(resources, null).ingress);
  assert.equal(compiler.compile(), model);
  const changed = secret("good");
  compiler.put(changed);
  assert.notEqual(compiler.compile().ingress, model.ingress);
});

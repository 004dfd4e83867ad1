import assert from "node:assert/strict";
import { test } from "node:test";
import type { Resource } from "../resources/resource.ts";
import { validateResource } from "../resources/validate.ts";
import { parseWeftYaml } from "./parse-weft-yaml.ts";
import { MANAGED_BY_LABEL, weftYamlToResources } from "./weft-yaml-resources.ts";

function resourcesOf(text: string): readonly Resource[] {
  const { config, problems } = parseWeftYaml(text, "weft.yaml");
  assert.ok(config !== null, JSON.stringify(problems));
  return weftYamlToResources(config);
}

function names(resources: readonly Resource[], kind: string): readonly string[] {
  return resources.filter((resource) => resource.kind === kind).map((resource) => resource.metadata.name);
}

function targetOf(resources: readonly Resource[], name: string): unknown {
  return resources.find((resource) => resource.kind === "TrafficTarget" && resource.metadata.name === name)?.spec;
}

function account(name: string): unknown {
  return { kind: "ServiceAccount", name, namespace: "default" };
}

const SHOP = `mesh: shop
egress: deny
ingress: [{ port: 8080, service: web }]
services:
  web: { command: x, allow: [admin] }
  admin: { command: x }
  reviews: { allow: [web], versions: { v1: { command: x }, v2: { command: x } } }
  db: { address: 127.0.0.1:5432, protocol: tcp, allow: [reviews] }
`;

test("weftYamlToResources() makes a Service for each service and one for each of its versions", () => {
  assert.deepEqual(names(resourcesOf(SHOP), "Service"), ["web", "admin", "reviews", "reviews-v1", "reviews-v2", "db"]);
});

test("weftYamlToResources() names each service's account after it and adds the gateway's", () => {
  assert.deepEqual(names(resourcesOf(SHOP), "ServiceAccount"), ["ingress", "web", "admin", "reviews", "db"]);
});

test("weftYamlToResources() gives Services the port and protocol of weft.yaml", () => {
  const db = resourcesOf(SHOP).find((resource) => resource.kind === "Service" && resource.metadata.name === "db");
  assert.deepEqual(db?.spec, {
    ports: [{ name: "", port: 5432, targetPort: 5432, protocol: "TCP", appProtocol: "tcp" }],
  });
});

test("weftYamlToResources() turns allow into a TrafficTarget for all requests", () => {
  assert.deepEqual(targetOf(resourcesOf(SHOP), "reviews"), {
    destination: account("reviews"),
    rules: [{ kind: "HTTPRouteGroup", name: "weft-any" }],
    sources: [account("web")],
  });
});

test("weftYamlToResources() opens a TCP service by a TCPRoute", () => {
  assert.deepEqual(targetOf(resourcesOf(SHOP), "db"), {
    destination: account("db"),
    rules: [{ kind: "TCPRoute", name: "weft-any" }],
    sources: [account("reviews")],
  });
});

test("weftYamlToResources() lets the gateway call the service behind it", () => {
  assert.deepEqual(targetOf(resourcesOf(SHOP), "web"), {
    destination: account("web"),
    rules: [{ kind: "HTTPRouteGroup", name: "weft-any" }],
    sources: [account("admin"), account("ingress")],
  });
});

test("weftYamlToResources() makes no TrafficTarget where nothing is said about access", () => {
  const resources = resourcesOf("mesh: m\nservices: { a: { command: x } }");
  assert.deepEqual(names(resources, "TrafficTarget"), []);
  assert.deepEqual(names(resources, "HTTPRouteGroup"), []);
  assert.deepEqual(names(resources, "TCPRoute"), []);
});

test("weftYamlToResources() makes a TrafficTarget that allows nobody from an empty list", () => {
  const resources = resourcesOf("mesh: m\nservices: { a: { command: x, allow: [] } }");
  assert.deepEqual((targetOf(resources, "a") as { sources: unknown }).sources, []);
});

test("weftYamlToResources() puts the mesh's settings into the Mesh resource", () => {
  const mesh = resourcesOf(SHOP).find((resource) => resource.kind === "Mesh");
  assert.deepEqual(mesh?.spec, { access: "strict", egress: "deny", certificateLifetime: "24h" });
});

test("weftYamlToResources() makes only valid resources, each marked as weft's", () => {
  for (const resource of resourcesOf(SHOP)) {
    const { problems } = validateResource(resource, { file: "weft.yaml" });
    assert.deepEqual(problems, []);
    assert.equal(resource.metadata.labels?.[MANAGED_BY_LABEL], "weft");
  }
});

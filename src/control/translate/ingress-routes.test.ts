import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import { createOwnCertificate } from "../../identity/own-certificate.ts";
import type { IngressPort } from "../../proxy-node.ts";
import { systemRandom } from "../../random/system-random.ts";
import type { Resource } from "../../resources/resource.ts";
import { validateResource } from "../../resources/validate.ts";
import { LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import type { ProxyView } from "../config-source.ts";
import { sampleService, sampleSplit } from "../model/sample-resources.ts";
import { decodeFrom, sampleNode, sampleSource } from "./sample-node.ts";

/** 2026-01-01. */
const NEW_YEAR_MS = 1_767_225_600_000;
const PLAIN: IngressPort = { address: "127.0.0.1", port: 8080, service: "", servicePort: 0 };
const ENTRIES: readonly IngressPort[] = [PLAIN, { ...PLAIN, port: 8443, tls: true }];

function viewOf(resources: readonly Resource[], serviceAccount = "ingress"): ProxyView {
  const node = sampleNode({ workload: "ingress-0", serviceAccount, ingress: ENTRIES });
  return sampleSource(resources).viewFor(node);
}

function routesOf(view: ProxyView, port: number): ReadonlyMap<string, envoy.config.route.v3.VirtualHost> {
  const config = decodeFrom(view, ROUTE_TYPE, `ingress/${port}`, envoy.config.route.v3.RouteConfiguration);
  assert.equal(config.ignorePortInHostMatching, true);
  return new Map((config.virtualHosts ?? []).map((host) => [host.domains?.[0] ?? "", host]));
}

function valid(value: object): Resource {
  const { resource, problems } = validateResource(value, { file: "test" });
  assert.deepEqual(problems, []);
  assert.ok(resource !== null);
  return resource;
}

function ingress(host: string, path: string, pathType: string, tls: readonly object[] = []): Resource {
  const backend = { service: { name: "web", port: { number: 80 } } };
  const rules = [{ host, http: { paths: [{ path, pathType, backend }] } }];
  const metadata = { name: "sample" };
  return valid({ apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec: { rules, tls } });
}

function tlsSecret(): Resource {
  const { keyPem, certificateChainPem } = createOwnCertificate(NEW_YEAR_MS, systemRandom);
  const stringData = { "tls.crt": certificateChainPem, "tls.key": keyPem };
  return valid({ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls", metadata: { name: "cert" }, stringData });
}

test("a path is a path, and a prefix is one of segments, in front of what the Service's splits say", () => {
  const services = ["web", "web-v2"].map((name) => sampleService(name));
  const exact = routesOf(viewOf([...services, ingress("a.test", "/x", "Exact")]), 8080).get("a.test");
  assert.deepEqual(
    exact?.routes?.map(({ match }) => match?.path),
    ["/x"],
  );
  const split = sampleSplit("sample", "web", { weights: { "web-v2": 1 } });
  const prefix = routesOf(viewOf([...services, split, ingress("a.test", "/x/", "Prefix")]), 8080).get("a.test");
  const [route] = prefix?.routes ?? [];
  assert.deepEqual([route?.match?.pathSeparatedPrefix, route?.route?.cluster], ["/x", "default/web-v2:80"]);
});

test("a wildcard is one label", () => {
  const routes = routesOf(viewOf([sampleService("web"), ingress("*.a.test", "/", "Prefix")]), 8080).get("*.a.test");
  const [header] = routes?.routes?.[0]?.match?.headers ?? [];
  assert.deepEqual(
    [header?.name, header?.stringMatch?.safeRegex?.regex],
    [":authority", "[^.]+\\.a\\.test(?::[0-9]+)?"],
  );
});

test("a host with TLS is redirected in the clear, and has its certificate by name on the TLS port", () => {
  const tls = [{ hosts: ["a.test"], secretName: "cert" }];
  const resources = [sampleService("web"), tlsSecret(), ingress("a.test", "/", "Prefix", tls)];
  const view = viewOf(resources);
  const redirect = routesOf(view, 8080).get("a.test")?.routes?.[0]?.redirect;
  assert.deepEqual([redirect?.httpsRedirect, redirect?.portRedirect], [true, 8443]);
  assert.equal(routesOf(view, 8443).get("a.test")?.routes?.[0]?.redirect ?? null, null);
  const listener = decodeFrom(view, LISTENER_TYPE, "ingress/8443", envoy.config.listener.v3.Listener);
  const { filterChains, defaultFilterChain } = listener;
  assert.deepEqual(
    (filterChains ?? []).map(({ filterChainMatch }) => filterChainMatch?.serverNames),
    [["a.test"]],
  );
  assert.notEqual(defaultFilterChain?.transportSocket ?? null, null);
  assert.ok(view.get(SECRET_TYPE)?.has("certificate/default/cert"));
});

test("keys of servers go to the gateway's identity only, whatever a proxy says that it is", () => {
  const tls = [{ hosts: ["a.test"], secretName: "cert" }];
  const resources = [sampleService("web"), tlsSecret(), ingress("a.test", "/", "Prefix", tls)];
  assert.equal(viewOf(resources, "web").get(SECRET_TYPE)?.has("certificate/default/cert"), false);
});

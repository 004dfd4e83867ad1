import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { ProxyStatus } from "../control/views.ts";
import { startTestCli, type TestCli } from "./test-host.ts";

const WALL_MS = 1_767_225_600_000;

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
});

afterEach(() => cli.close());

function proxy(name: string, change: Partial<ProxyStatus> = {}): ProxyStatus {
  return {
    id: `default/${name}`,
    role: "sidecar",
    spiffeId: `spiffe://test.mesh/ns/default/sa/${name}`,
    runtime: "node 20.19.0",
    weftVersion: "0.1.0",
    connected: true,
    sinceWallMs: WALL_MS - 3_600_000,
    state: "SYNCED",
    types: [
      { type: "route", state: "SYNCED", resources: 2, reason: null },
      { type: "cluster", state: "SYNCED", resources: 5, reason: null },
    ],
    ...change,
  };
}

test("weft proxy list shows state and certificate, and why a proxy rejects", async () => {
  cli.api.views.proxyList = [
    proxy("web-0", { certificateNotAfterWallMs: WALL_MS + 82_800_000 }),
    proxy("ingress", { role: "ingress", connected: false, state: "STALE", certificateNotAfterWallMs: WALL_MS - 1 }),
    proxy("reviews-0", {
      state: "REJECTED",
      types: [{ type: "route", state: "REJECTED", resources: 2, reason: "outbound/default: bad \u001b[31mregex" }],
    }),
  ];
  assert.equal(
    (await cli.run("proxy", "list")).stdout,
    `PROXY               ROLE      STATE      CONNECTED   RESOURCES   CERTIFICATE   RUNTIME        VERSION
default/ingress     ingress   STALE      no, 60m             7   expired       node 20.19.0   0.1.0
default/reviews-0   sidecar   REJECTED   yes, 60m            2   -             node 20.19.0   0.1.0
default/web-0       sidecar   SYNCED     yes, 60m            7   23h           node 20.19.0   0.1.0

rejected: default/reviews-0: route: outbound/default: bad \\x1b[31mregex
`,
  );
  assert.equal(JSON.parse((await cli.run("proxy", "list", "-o", "json")).stdout).items.length, 3);
  cli.api.views.proxyList = [];
  assert.deepEqual(await cli.run("proxy", "list"), { exitCode: 0, stdout: "", stderr: "No proxies yet\n" });
});

test("weft proxy config shows names by type, and everything in JSON", async () => {
  const config = {
    cluster: {
      "default/web:80": { version: "a1", content: { "@type": "x.Cluster", name: "default/web:80", type: "EDS" } },
    },
    route: { "outbound/default": { name: "outbound/default", virtualHosts: [] } },
  };
  cli.api.views.configs = { "default/web-0": config };
  cli.api.views.proxyList = [proxy("web-0")];
  assert.equal(
    (await cli.run("proxy", "config", "web-0")).stdout,
    `TYPE      NAME               CONTENT
cluster   default/web:80     {"type":"EDS"}
route     outbound/default   {"virtualHosts":[]}
All of the content: -o yaml or -o json
`,
  );
  assert.deepEqual(JSON.parse((await cli.run("proxy", "config", "default/web-0", "-o", "json")).stdout), config);
  assert.deepEqual(JSON.parse((await cli.run("proxy", "config", "web-0", "--type", "route", "-o", "json")).stdout), {
    route: config.route,
  });
  assert.match((await cli.run("proxy", "config", "web-0", "--type", "secret")).stdout, /^No resources of this type\n/);
  const unknown = await cli.run("proxy", "config", "wbe-0");
  assert.equal(unknown.exitCode, 1);
  assert.match(unknown.stderr, /Cannot find the proxy "default\/wbe-0".*\n hint: Did you mean default\/web-0\?/);
  assert.equal((await cli.run("proxy", "config", "a/b/c")).exitCode, 2);
});

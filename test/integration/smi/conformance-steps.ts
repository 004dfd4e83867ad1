// The 24 steps of the published SMI conformance suite (three groups of 7, 6 and 11), rewritten: its driver, outside the mesh, tells
// app-a to call, and reads what the apps remember. docs/smi.md says where the suite itself contradicts itself, and what is done here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { call } from "../http-call.ts";
import { type App, type Draft, endpoint, group, type Lab, service, split, target, tcpRoute } from "./lab.ts";
import { describePublishedInputs } from "./published-inputs.ts";

interface Metrics {
  readonly ReqReceived: readonly string[];
  readonly RespSucceeded: readonly Outcome[];
  readonly RespFailed: readonly Outcome[];
}

interface Outcome {
  readonly URL: string;
  readonly Method: string;
}

const APPS = ["app-a", "app-b", "app-c"] as const;
const FROM_TEST = { "x-from-test": "yes" };
const ECHO = "http://app-b.default.svc.cluster.local.:9091/echo";
const METRICS = "http://app-b.default.svc.cluster.local.:9091/metrics";

export function describeConformance(running: () => Lab): void {
  describePublishedInputs(running);
  describeAccessGroup(running);
  describeSpecGroup(running);
  describeSplitGroup(running);
}

function describeAccessGroup(running: () => Lab): void {
  const route = tcpRoute("tcp-route", []);
  const access = target("service-b", { to: "app-b", from: ["app-a"], rules: ["tcp:tcp-route"] });

  test("K traffic-access 1: traffictargets.access.smi-spec.io is served, short name tt", () =>
    isServed(running(), "access.smi-spec.io/v1alpha4", "traffictargets", "tt"));

  test("K traffic-access 2: the apps are ready", () => areReady(running()));

  test("K traffic-access 3: by default a call is refused with an HTTP status", () => isBlocked(running()));

  test("K traffic-access 4: a TCPRoute without ports and a TrafficTarget are created", async () => {
    await running().apply(route, access);
    await exists(running(), "traffictargets", "service-b", true);
    await exists(running(), "tcproutes", "tcp-route", true);
  });

  test("K traffic-access 5: the call succeeds, and app-b has had exactly one request", async () => {
    const lab = running();
    await forget(lab);
    await tell(lab, ECHO, "GET");
    const [a, b] = [await read(lab, "app-a"), await read(lab, "app-b")];
    assert.deepEqual(
      a.RespSucceeded.map((one) => one.URL),
      [ECHO],
    );
    assert.deepEqual(a.RespFailed, []);
    assert.deepEqual(b.ReqReceived, ["app-a"]);
  });

  test("K traffic-access 6: both are deleted and gone", async () => {
    await running().remove(access, route);
    await exists(running(), "traffictargets", "service-b", false);
    await exists(running(), "tcproutes", "tcp-route", false);
  });

  test("K traffic-access 7: the call is refused again", () => isBlocked(running()));
}

function describeSpecGroup(running: () => Lab): void {
  const access = target("spec", { to: "app-b", from: ["app-a"], rules: ["http:http-rg/testMatch"] });
  const routes = (pathRegex: string, methods: readonly string[]): Draft =>
    group("http-rg", [{ name: "testMatch", pathRegex, methods }]);

  test("K traffic-spec 1: httproutegroups.specs.smi-spec.io is served, short name htr", () =>
    isServed(running(), "specs.smi-spec.io/v1alpha4", "httproutegroups", "htr"));

  test("K traffic-spec 2: the apps are ready", () => areReady(running()));

  test("K traffic-spec 3: a group for one path and a TrafficTarget for its match are created", async () => {
    await running().apply(routes("/metrics", ["*"]), access);
    await exists(running(), "httproutegroups", "http-rg", true);
  });

  test("K traffic-spec 4: of two paths the one of the group succeeds", async () => {
    const lab = running();
    await forget(lab);
    await tell(lab, METRICS, "GET");
    await tell(lab, ECHO, "GET");
    const { RespSucceeded, RespFailed } = await read(lab, "app-a");
    assert.deepEqual([RespSucceeded.map((one) => one.URL), RespFailed.map((one) => one.URL)], [[METRICS], [ECHO]]);
  });

  test("K traffic-spec 5: the group is changed to one method and any path", () =>
    running().apply(routes(".*", ["GET"])));

  test("K traffic-spec 6: of two methods the one of the group succeeds", async () => {
    const lab = running();
    await forget(lab);
    await tell(lab, ECHO, "GET");
    await tell(lab, ECHO, "POST");
    const { RespSucceeded, RespFailed } = await read(lab, "app-a");
    assert.deepEqual(
      [RespSucceeded.map((one) => one.Method), RespFailed.map((one) => one.Method)],
      [["GET"], ["POST"]],
    );
    await lab.clear();
  });
}

/** The last group: it has no policy at all, and expects calls to succeed, so the mesh is permissive from here on. */
function describeSplitGroup(running: () => Lab): void {
  const mesh = (access: string): Draft => ({
    apiVersion: "weft.dev/v1alpha1",
    kind: "Mesh",
    metadata: { name: "mesh" },
    spec: { access, egress: "deny" },
  });
  test("K traffic-split 1: trafficsplits.split.smi-spec.io is served, short name ts", () =>
    isServed(running(), "split.smi-spec.io/v1alpha4", "trafficsplits", "ts"));

  test("K traffic-split 2: the apps are ready, app-b and app-c behind one Service", async () => {
    const lab = running();
    await lab.keep(mesh("permissive"));
    await lab.apply(
      service("app-svc", [{ name: "http", port: 9091 }]),
      endpoint("app-svc", "app-b", lab.inboundPort("app-b"), "http"),
      endpoint("app-svc", "app-c", lab.inboundPort("app-c"), "http"),
    );
    await areReady(lab);
  });

  test("K traffic-split 3: without a split both get some of 50 requests", async () => {
    const [b, c] = await callFifty(running());
    assert.ok(b >= 1 && c >= 1 && b + c === 50, `${b} and ${c}`);
  });

  for (const [create, check, weights, wanted, isRight] of [
    [4, 5, "app-b=1 app-c=0", "all of them reach app-b", (b: number, c: number) => b === 50 && c === 0],
    [6, 7, "app-b=0 app-c=1", "all of them reach app-c", (b: number, c: number) => b === 0 && c === 50],
    [8, 9, "app-b=75 app-c=25", "app-b gets more", (b: number, c: number) => b > c && b + c === 50],
    [10, 11, "app-b=25 app-c=75", "app-c gets more", (b: number, c: number) => c > b && b + c === 50],
  ] as const) {
    test(`K traffic-split ${create}: the split is ${weights}`, () =>
      running().apply(split("traffic-split", "app-svc", weights)));

    test(`K traffic-split ${check}: ${wanted}`, async () => {
      const [b, c] = await callFifty(running());
      assert.ok(isRight(b, c), `${b} and ${c}`);
    });
  }
}

// What the driver does.

async function isServed(lab: Lab, groupVersion: string, plural: string, shortName: string): Promise<void> {
  const { resources } = (await lab.raw(`/apis/${groupVersion}`)) as {
    readonly resources: readonly { readonly name: string; readonly shortNames?: readonly string[] }[];
  };
  const found =
    resources.find(({ name }) => name === plural) ?? assert.fail(`${plural} is in ${JSON.stringify(resources)}`);
  assert.deepEqual(found.shortNames, [shortName]);
}

async function areReady(lab: Lab): Promise<void> {
  for (const app of APPS) await read(lab, app);
}

async function exists(lab: Lab, kind: string, name: string, isThere: boolean): Promise<void> {
  const { code } = await lab.mesh.weft(["get", kind, name]);
  assert.equal(code === 0, isThere, `${kind} ${name}`);
}

/** Exactly one failed call, with a status, and none that succeeded. */
async function isBlocked(lab: Lab): Promise<void> {
  await forget(lab);
  await tell(lab, ECHO, "GET");
  const { RespSucceeded, RespFailed } = await read(lab, "app-a");
  assert.deepEqual([RespSucceeded, RespFailed.map((one) => one.URL)], [[], [ECHO]]);
}

async function callFifty(lab: Lab): Promise<readonly [number, number]> {
  await forget(lab);
  for (let done = 0; done < 50; done += 1) {
    await tell(lab, "http://app-svc.default.svc.cluster.local.:9091/echo", "GET");
  }
  const received = async (app: App): Promise<number> => (await read(lab, app)).ReqReceived.length;
  return [await received("app-b"), await received("app-c")];
}

async function tell(lab: Lab, url: string, method: string): Promise<void> {
  const body = JSON.stringify({ url, method, headers: {} });
  const answer = await call({ port: await lab.appPort("app-a"), host: "app-a", path: "/call", method: "POST", body });
  assert.equal(answer.status, 200, `${method} ${url} was answered`);
}

async function read(lab: Lab, app: App): Promise<Metrics> {
  const { body } = await call({ port: await lab.appPort(app), host: app, path: "/metrics", headers: FROM_TEST });
  return JSON.parse(body) as Metrics;
}

async function forget(lab: Lab): Promise<void> {
  for (const app of APPS) {
    await call({ port: await lab.appPort(app), host: app, path: "/metrics", method: "DELETE", headers: FROM_TEST });
  }
}

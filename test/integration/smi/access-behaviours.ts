// SMI access control on real processes: A1 to A30 of the behaviours that docs/smi.md lists.
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { connect } from "node:net";
import { afterEach, test } from "node:test";
import { askAsGuest, askOn, askRaw, askWithoutCertificate, isCut } from "./calls.ts";
import { describeDestinationPorts } from "./destination-ports.ts";
import {
  ANY_HTTP,
  ANY_TCP,
  type Draft,
  endpoint,
  group,
  type Lab,
  readOnce,
  service,
  target,
  tcpRoute,
} from "./lab.ts";

const B = "app-b:9091";

export function describeAccess(running: () => Lab): void {
  afterEach(() => running().clear());

  test("A1: nothing is allowed by default: HTTP gets 403, opaque TCP is closed without a byte", async () => {
    const lab = running();
    await lab.settle();
    const answer = await lab.denies("app-a", { to: B });
    assert.match(answer.body, /TrafficTarget/, "the answer says what would allow it");
    assert.equal(await lab.exchange("app-a", "bytes", 9000, "x"), "closed");
  });

  test("A2: a TCPRoute without ports opens every port, for HTTP as well", async () => {
    const lab = running();
    await lab.apply(
      ANY_TCP,
      target("http", { to: "app-b", from: ["app-a"], rules: ["tcp:any-tcp"] }),
      target("tcp", { to: "bytes", from: ["app-a"], rules: ["tcp:any-tcp"] }),
    );
    await lab.allows("app-a", { to: B, path: "/any", method: "POST" });
    assert.equal(await lab.exchange("app-a", "bytes", 9000, "x"), "bytes:x");
    await lab.denies("app-c", { to: B });
  });

  test("A3: a TCPRoute with ports opens those alone", async () => {
    const lab = running();
    await lab.apply(
      tcpRoute("ports", [9091, 9092]),
      target("http", { to: "app-b", from: ["app-a"], rules: ["tcp:ports"] }),
      target("tcp", { to: "bytes", from: ["app-a"], rules: ["tcp:ports"] }),
    );
    await lab.allows("app-a", { to: B });
    assert.equal(await lab.exchange("app-a", "bytes", 9000, "x"), "closed");
    await lab.apply(tcpRoute("ports", [9000]));
    await lab.denies("app-a", { to: B });
    assert.equal(await lab.exchange("app-a", "bytes", 9000, "x"), "bytes:x");
  });

  test("A4: what is taken away ends on open connections too: the next request is denied, opaque bytes are cut off", async () => {
    const lab = running();
    const http = target("http", { to: "app-b", from: ["app-a"], rules: ["http:any-http"] });
    const tcp = target("tcp", { to: "bytes", from: ["app-a"], rules: ["tcp:any-tcp"] });
    await lab.apply(ANY_HTTP, ANY_TCP, http, tcp);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const opaque = lab.open("app-a", "bytes", 9000);
    try {
      const first = await askOn(agent, lab.outboundPort("app-a"), B);
      opaque.write("x");
      assert.equal(await readOnce(opaque), "bytes:x");
      await lab.remove(http, tcp);
      const second = await askOn(agent, lab.outboundPort("app-a"), B);
      assert.deepEqual([first.status, second.status], [200, 403]);
      assert.equal(second.socket, first.socket, "on the same connection");
      await isCut(opaque);
    } finally {
      agent.destroy();
      opaque.destroy();
    }
  });

  test("A5: by path", async () => {
    const lab = running();
    await lab.apply(
      group("paths", [{ pathRegex: "/metrics" }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:paths"] }),
    );
    await lab.allows("app-a", { to: B, path: "/metrics" });
    await lab.denies("app-a", { to: B, path: "/echo" });
    await lab.denies("app-a", { to: B, path: "/v1/metrics" });
  });

  test("A6: by method", async () => {
    const lab = running();
    await lab.apply(
      group("reads", [{ methods: ["GET", "HEAD"] }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:reads"] }),
    );
    await lab.allows("app-a", { to: B });
    await lab.denies("app-a", { to: B, method: "POST" });
    await lab.denies("app-a", { to: B, method: "DELETE" });
  });

  test("A7: by header", async () => {
    const lab = running();
    await lab.apply(
      group("beta", [{ headers: { "x-group": "^beta$" } }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:beta"] }),
    );
    await lab.allows("app-a", { to: B, headers: { "x-group": "beta" } });
    await lab.denies("app-a", { to: B, headers: { "x-group": "beta2" } });
    await lab.denies("app-a", { to: B });
  });

  test("A8: path, method and every header of one match must fit", async () => {
    const lab = running();
    await lab.apply(
      group("all", [{ pathRegex: "/a", methods: ["PUT"], headers: { one: "1", two: "2" } }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:all"] }),
    );
    const fits = { to: B, path: "/a", method: "PUT", headers: { one: "1", two: "2" } };
    await lab.allows("app-a", fits);
    await lab.denies("app-a", { ...fits, path: "/b" });
    await lab.denies("app-a", { ...fits, method: "GET" });
    await lab.denies("app-a", { ...fits, headers: { one: "1" } });
    await lab.denies("app-a", { ...fits, headers: { one: "2", two: "1" } });
  });

  test("A9: any match of a group is enough, and any group of a target", async () => {
    const lab = running();
    await lab.apply(
      group("one", [{ pathRegex: "/a$" }, { pathRegex: "/b$" }]),
      group("two", [{ pathRegex: "/c$" }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:one", "http:two"] }),
    );
    for (const path of ["/a", "/b", "/c"]) await lab.allows("app-a", { to: B, path });
    await lab.denies("app-a", { to: B, path: "/d" });
  });

  test("A10: a rule that names no matches means all of its group, one that names some means those", async () => {
    const lab = running();
    const routes = group("named", [
      { name: "a", pathRegex: "/a$" },
      { name: "b", pathRegex: "/b$" },
    ]);
    await lab.apply(routes, target("t", { to: "app-b", from: ["app-a"], rules: ["http:named"] }));
    for (const path of ["/a", "/b"]) await lab.allows("app-a", { to: B, path });
    await lab.apply(target("t", { to: "app-b", from: ["app-a"], rules: ["http:named/b"] }));
    await lab.denies("app-a", { to: B, path: "/a" });
    await lab.allows("app-a", { to: B, path: "/b" });
  });

  test("A11: a match that is not there is passed over, and said; the others count", async () => {
    const lab = running();
    await lab.apply(
      group("named", [{ name: "a", pathRegex: "/a$" }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:named/a,gone"] }),
    );
    await lab.allows("app-a", { to: B, path: "/a" });
    await lab.denies("app-a", { to: B, path: "/gone" });
    assert.match(await describeTarget(lab, "t"), /MatchNotFound: .*has no match "gone"/);
  });

  test("A12: a group that is not there allows nothing, and is said; when it comes it counts", async () => {
    const lab = running();
    await lab.apply(target("t", { to: "app-b", from: ["app-a"], rules: ["http:later"] }));
    await lab.denies("app-a", { to: B });
    assert.match(await describeTarget(lab, "t"), /RouteNotFound: .*no HTTPRouteGroup "later"/);
    await lab.apply(group("later", [{ pathRegex: "/" }]));
    await lab.allows("app-a", { to: B });
  });

  test("A13: overlapping targets of different sources do not hide each other", async () => {
    const lab = running();
    await lab.apply(
      group("wide", [{ pathRegex: "/" }]),
      group("narrow", [{ pathRegex: "/foo" }]),
      target("a-wide", { to: "app-b", from: ["app-a"], rules: ["http:wide"] }),
      target("b-narrow", { to: "app-b", from: ["app-c"], rules: ["http:narrow"] }),
    );
    await lab.allows("app-a", { to: B, path: "/foo" });
    await lab.allows("app-a", { to: B, path: "/bar" });
    await lab.allows("app-c", { to: B, path: "/foo" });
    await lab.denies("app-c", { to: B, path: "/bar" });
  });

  test("A14: a destination in another namespace than the target's is refused", async () => {
    const { code, stderr } = await running().applyText(`
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: foreign, namespace: team-b }
spec:
  destination: { kind: ServiceAccount, name: app-b, namespace: default }
  rules: [{ kind: TCPRoute, name: any }]
  sources: [{ kind: ServiceAccount, name: app-a, namespace: default }]
`);
    assert.notEqual(code, 0);
    assert.match(stderr, /spec\.destination\.namespace/);
  });

  test("A15: namespaces that are left out are the target's own", async () => {
    const lab = running();
    await lab.apply(ANY_HTTP, target("t", { to: "app-b", from: ["app-a"], rules: ["http:any-http"] }));
    await lab.allows("app-a", { to: B });
  });

  test("A16: no sources allow nobody", async () => {
    const lab = running();
    await lab.apply(ANY_HTTP, target("t", { to: "app-b", from: [], rules: ["http:any-http"] }));
    await lab.denies("app-a", { to: B });
    assert.match(await describeTarget(lab, "t"), /NoSources: /);
  });

  test("A17: a target without rules is refused", async () => {
    const { code, stderr } = await running().applyText(`
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: empty }
spec:
  destination: { kind: ServiceAccount, name: app-b }
  rules: []
  sources: [{ kind: ServiceAccount, name: app-a }]
`);
    assert.notEqual(code, 0);
    assert.match(stderr, /spec\.rules/);
    await running().denies("app-a", { to: B });
  });

  test("A18: sources may be of another namespace, and are that namespace's only", async () => {
    const lab = running();
    await lab.apply(
      ANY_HTTP,
      target("t", { to: "app-b", from: [{ name: "guest", namespace: "team-b" }], rules: ["http:any-http"] }),
    );
    const [foreign, own] = await Promise.all([askAsGuest(lab, "team-b"), askAsGuest(lab, "default")]);
    assert.deepEqual([foreign, own], ["200", "403"]);
  });

  test("A19: of several accounts behind one Service only instances of a destination's account accept", async () => {
    const lab = running();
    await lab.apply(
      service("mixed", [{ port: 80, targetPort: 9091 }]),
      endpoint("mixed", "app-b", lab.inboundPort("app-b")),
      endpoint("mixed", "app-c", lab.inboundPort("app-c")),
      ANY_HTTP,
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:any-http"] }),
    );
    const seen = await lab.share("app-a", { to: "mixed" }, 40);
    assert.ok((seen.get("app-b") ?? 0) > 0, JSON.stringify([...seen]));
    assert.equal(seen.get("app-c") ?? 0, 0, "no answer of an account that nothing opens");
  });

  test("A20: TCPRoute and HTTPRouteGroup in one target must both agree", async () => {
    const lab = running();
    await lab.apply(
      group("read", [{ pathRegex: "/read" }]),
      tcpRoute("port", [9091]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:read", "tcp:port"] }),
    );
    await lab.allows("app-a", { to: B, path: "/read" });
    await lab.denies("app-a", { to: B, path: "/write" });
    await lab.apply(tcpRoute("port", [9092]));
    await lab.denies("app-a", { to: B, path: "/read" });
  });

  test("A23: a caller without an identity of the mesh gets nowhere, whatever is allowed", async () => {
    const lab = running();
    await lab.apply(ANY_TCP, target("t", { to: "app-b", from: ["app-a"], rules: ["tcp:any-tcp"] }));
    const plain = connect({ host: "127.0.0.1", port: lab.inboundPort("app-b") });
    plain.on("error", () => undefined);
    plain.write("GET / HTTP/1.1\r\nHost: app-b\r\n\r\n");
    const answer = await readOnce(plain);
    assert.ok(!answer.startsWith("HTTP/"), `plaintext is not answered: ${JSON.stringify(answer)}`);
    plain.destroy();
    assert.match(await askWithoutCertificate(lab.inboundPort("app-b")), /certificate required|alert|closed|reset/i);
  });

  test("A24: permissive and strict, four times over", async () => {
    const lab = running();
    const mesh = (access: string): Draft => ({
      apiVersion: "weft.dev/v1alpha1",
      kind: "Mesh",
      metadata: { name: "mesh" },
      spec: { access, egress: "deny" },
    });
    try {
      for (let round = 0; round < 4; round += 1) {
        await lab.apply(mesh("permissive"));
        await lab.allows("app-a", { to: B });
        assert.equal(await lab.exchange("app-a", "bytes", 9000, "x"), "bytes:x");
        await lab.apply(mesh("strict"));
        await lab.denies("app-a", { to: B });
        assert.equal(await lab.exchange("app-a", "bytes", 9000, "x"), "closed");
      }
    } finally {
      await lab.keep(mesh("strict"));
    }
  });

  test("A25: a rule may name the Service's port or the app's", async () => {
    const lab = running();
    const alternative = "alternative:8888";
    await lab.apply(
      service("alternative", [{ port: 8888, targetPort: 9091 }]),
      endpoint("alternative", "app-b", lab.inboundPort("app-b")),
      tcpRoute("port", [8888]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["tcp:port"] }),
    );
    await lab.allows("app-a", { to: alternative });
    await lab.apply(tcpRoute("port", [9091]));
    await lab.allows("app-a", { to: alternative });
    await lab.apply(tcpRoute("port", [8889]));
    await lab.denies("app-a", { to: alternative });
  });

  test("A26: header names have no case, values in several lines are joined, an absent one never fits, host is the authority", async () => {
    const lab = running();
    await lab.apply(
      group("fields", [
        { name: "case", pathRegex: "/case", headers: { "X-Team": "^blue$" } },
        { name: "joined", pathRegex: "/joined", headers: { "x-list": "^a, b$" } },
        { name: "absent", pathRegex: "/absent", headers: { "x-absent": ".*" } },
        { name: "host", pathRegex: "/host", headers: { host: "^app-b:9091$" } },
      ]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:fields"] }),
    );
    await lab.allows("app-a", { to: B, path: "/case", headers: { "x-tEAM": "blue" } });
    assert.equal(await askRaw(lab, "GET /joined HTTP/1.1\r\nHost: app-b:9091\r\nX-List: a\r\nx-list: b\r\n"), 200);
    await lab.denies("app-a", { to: B, path: "/absent" });
    await lab.allows("app-a", { to: B, path: "/absent", headers: { "x-absent": "" } });
    await lab.allows("app-a", { to: B, path: "/host" });
    await lab.denies("app-a", { to: "app-b.default:9091", path: "/host" });
  });

  test("A27: pathRegex fits from the start and is open at the end, `$` closes it, the query is not looked at, and no spelling of a path gets past it", async () => {
    const lab = running();
    await lab.apply(
      group("paths", [{ pathRegex: "/open" }, { pathRegex: "/exact$" }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:paths"] }),
    );
    for (const path of ["/open", "/open/more", "/opened", "/exact", "/exact?a=b", "/x/../open", "//open", "/%6fpen"]) {
      await lab.allows("app-a", { to: B, path });
    }
    for (const path of ["/exact/more", "/x/open", "/?/open", "/open/../secret", "/open/%2e%2e/secret", "/%73ecret"]) {
      await lab.denies("app-a", { to: B, path });
    }
    // What servers read in different ways goes nowhere.
    assert.equal((await lab.call("app-a", { to: B, path: "/open%2f..%2fsecret" })).status, 400);
  });

  test("A28: an expression that stalls backtracking engines costs nothing", async () => {
    const lab = running();
    await lab.apply(
      group("hard", [{ pathRegex: "/(a+)+(a+)+(a+)+$" }]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:hard"] }),
    );
    await lab.allows("app-a", { to: B, path: `/${"a".repeat(4_000)}` });
    await lab.denies("app-a", { to: B, path: `/${"a".repeat(4_000)}!` });
  });

  test('A29: "*" among methods means all, no methods mean any, lower case is refused', async () => {
    const lab = running();
    await lab.apply(
      group("star", [
        { pathRegex: "/star", methods: ["*", "GET"] },
        { pathRegex: "/none", methods: [] },
      ]),
      target("t", { to: "app-b", from: ["app-a"], rules: ["http:star"] }),
    );
    for (const path of ["/star", "/none"]) await lab.allows("app-a", { to: B, path, method: "DELETE" });
    const { code, stderr } = await lab.applyText(`
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: lower }
spec: { matches: [{ name: a, methods: [get] }] }
`);
    assert.notEqual(code, 0);
    assert.match(stderr, /methods\[0\].*"get"/s);
  });

  describeDestinationPorts(running);
}

async function describeTarget(lab: Lab, name: string): Promise<string> {
  return (await lab.mesh.weft(["describe", "traffictarget", name])).stdout;
}

// SMI traffic splitting on real processes: S1 to S27 of the behaviours that docs/smi.md lists.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { afterEach, test } from "node:test";
import { systemClock } from "../../../src/time/system-clock.ts";
import { waitUntil } from "../wait-until.ts";
import { shareOnOne } from "./calls.ts";
import { endpoint, group, type Lab, openAll, readOnce, service, split, target } from "./lab.ts";

const ROOT = "root:9091";
/** Enough for the bounds below to hold but once in some millions, were the shares drawn at random. */
const MANY = 1_000;

/** Within 5 standard deviations of a binomial. */
function isNear(seen: ReadonlyMap<string, number>, app: string, share: number): boolean {
  const total = [...seen.values()].reduce((sum, count) => sum + count, 0);
  return Math.abs((seen.get(app) ?? 0) - total * share) <= 5 * Math.sqrt(total * share * (1 - share));
}

export function describeSplits(running: () => Lab): void {
  afterEach(() => running().clear());

  /** The root of most tests: a Service of its own with app-b and app-c behind it, everything allowed. */
  async function prepare(lab: Lab): Promise<void> {
    await lab.apply(
      ...openAll("app-a"),
      service("root", [{ port: 9091 }]),
      endpoint("root", "app-b", lab.inboundPort("app-b")),
      endpoint("root", "app-c", lab.inboundPort("app-c")),
    );
  }

  test("S1: without a split the root's own instances share", async () => {
    const lab = running();
    await prepare(lab);
    const seen = await lab.share("app-a", { to: ROOT }, 50);
    assert.ok((seen.get("app-b") ?? 0) > 0 && (seen.get("app-c") ?? 0) > 0, JSON.stringify([...seen]));
  });

  test("S2: 1 to 0 and 0 to 1 are exact over 50 requests", async () => {
    const lab = running();
    await prepare(lab);
    for (const [weights, winner] of [
      ["app-b=1 app-c=0", "app-b"],
      ["app-b=0 app-c=1", "app-c"],
    ] as const) {
      await lab.apply(split("s", "root", weights));
      assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 50))], [[winner, 50]]);
    }
  });

  test("S3: 75 to 25 within five standard deviations of 1,000 requests", async (t) => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=75 app-c=25"));
    const seen = await shareOnOne(lab, ROOT, MANY);
    t.diagnostic(JSON.stringify([...seen]));
    assert.ok(isNear(seen, "app-b", 0.75), JSON.stringify([...seen]));
    assert.equal((seen.get("app-b") ?? 0) + (seen.get("app-c") ?? 0), MANY);
  });

  test("S4: a change of nothing but weights takes effect", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=90 app-c=10"));
    await lab.apply(split("s", "root", "app-b=10 app-c=90"));
    const seen = await shareOnOne(lab, ROOT, 200);
    assert.ok(isNear(seen, "app-c", 0.9), JSON.stringify([...seen]));
  });

  test("S5: requests of one connection are split one by one", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=50 app-c=50"));
    const seen = await shareOnOne(lab, ROOT, 100);
    assert.ok((seen.get("app-b") ?? 0) > 20 && (seen.get("app-c") ?? 0) > 20, JSON.stringify([...seen]));
  });

  test("S6: the short name, that with the namespace, the full one, with a dot at its end and with the port all mean the root", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=1 app-c=0"));
    for (const name of [
      ...[
        "root",
        "root.default",
        "root.default.svc",
        "root.default.svc.cluster.local",
        "root.default.svc.cluster.local.",
      ],
      "ROOT",
    ]) {
      assert.deepEqual([...(await lab.share("app-a", { to: `${name}:9091` }, 4))], [["app-b", 4]], name);
    }
  });

  test("S7: a backend called by its own name is not split", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=1 app-c=0"));
    assert.deepEqual([...(await lab.share("app-a", { to: "app-c:9091" }, 10))], [["app-c", 10]]);
  });

  test("S8: a backend of weight 0 may come into being later", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=1 canary=0"));
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 10))], [["app-b", 10]]);
    await lab.apply(service("canary", [{ port: 9091 }]), endpoint("canary", "app-c", lab.inboundPort("app-c")));
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 10))], [["app-b", 10]]);
    await lab.apply(split("s", "root", "app-b=0 canary=1"));
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 10))], [["app-c", 10]]);
  });

  test("S9: the share of a backend that is no Service goes to the others, and that is said", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=1 gone=9"));
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 20))], [["app-b", 20]]);
    assert.match(await describeSplit(lab), /"gone"/);
    assert.match(await lab.condition("s", "ResolvedRefs"), /"gone"/);
  });

  test("S10: a backend without instances keeps its share, which fails with 503", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(service("idle", [{ port: 9091 }]), split("s", "root", "app-b=1 idle=1"));
    const seen = await lab.share("app-a", { to: ROOT }, 40);
    assert.ok((seen.get("503") ?? 0) > 10 && (seen.get("app-b") ?? 0) > 10, JSON.stringify([...seen]));
  });

  test("S11: weights that are all 0 fail every request with 503, and nothing else suffers", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=0 app-c=0"));
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 10))], [["503", 10]]);
    await lab.allows("app-a", { to: "app-b:9091" });
  });

  test("S12: a backend takes part on the ports it has, and that it lacks one is said", async () => {
    const lab = running();
    await lab.apply(
      ...openAll("app-a"),
      service("two", [
        { name: "one", port: 9091 },
        { name: "more", port: 9092, targetPort: 9091 },
      ]),
      service("both", [
        { name: "one", port: 9091 },
        { name: "more", port: 9092, targetPort: 9091 },
      ]),
      endpoint("both", "app-c", lab.inboundPort("app-c"), "one"),
      { ...endpoint("both", "app-c", lab.inboundPort("app-c"), "more"), metadata: moreOf("both", "app-c") },
      split("s", "two", "app-b=1 both=1"),
    );
    const first = await lab.share("app-a", { to: "two:9091" }, 40);
    const second = await lab.share("app-a", { to: "two:9092" }, 40);
    assert.ok((first.get("app-b") ?? 0) > 5 && (first.get("app-c") ?? 0) > 5, JSON.stringify([...first]));
    assert.deepEqual([...second], [["app-c", 40]], "app-b has no port 9092");
    assert.match(await describeSplit(lab), /"app-b".*9092|9092.*"app-b"/s);
    assert.match(await lab.condition("s", "PortsMatch"), /"app-b".*9092|9092.*"app-b"/s, "on the TrafficSplit itself");
  });

  test("S13: each backend's own targetPort counts", async () => {
    const lab = running();
    await lab.apply(
      ...openAll("app-a"),
      service("root", [{ port: 80, targetPort: 1 }]),
      service("left", [{ port: 80, targetPort: 9091 }]),
      endpoint("left", "app-b", lab.inboundPort("app-b")),
      service("right", [{ port: 80, targetPort: 9091 }]),
      endpoint("right", "app-c", lab.inboundPort("app-c")),
      split("s", "root", "left=1 right=1"),
    );
    const seen = await lab.share("app-a", { to: "root" }, 40);
    assert.ok((seen.get("app-b") ?? 0) > 5 && (seen.get("app-c") ?? 0) > 5, JSON.stringify([...seen]));
  });

  test("S14: the root among its own backends means its own instances", async () => {
    const lab = running();
    await lab.apply(...openAll("app-a"), split("s", "app-b", "app-b=1 app-c=0"));
    assert.deepEqual([...(await lab.share("app-a", { to: "app-b:9091" }, 10))], [["app-b", 10]]);
  });

  test("S15: splits do not nest, and a ring of them is no trouble", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(
      split("outer", "root", "app-b=1"),
      split("inner", "app-b", "app-c=1"),
      split("back", "app-c", "app-b=1"),
    );
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 10))], [["app-b", 10]]);
    assert.deepEqual([...(await lab.share("app-a", { to: "app-b:9091" }, 10))], [["app-c", 10]]);
    assert.deepEqual([...(await lab.share("app-a", { to: "app-c:9091" }, 10))], [["app-b", 10]]);
  });

  test("S16: matches: requests that fit are split, the others go to the root's own instances", async () => {
    const lab = running();
    await prepareOwn(lab);
    await lab.apply(group("beta", [{ headers: { "x-beta": "yes" } }]), split("s", "own", "app-c=1", ["beta"]));
    const own = { to: "own:9091" };
    assert.equal((await lab.allows("app-a", { ...own, headers: { "x-beta": "yes" } })).app, "app-c");
    assert.equal((await lab.allows("app-a", own)).app, "app-b");
  });

  test("S17: any match of any group will do", async () => {
    const lab = running();
    await prepareOwn(lab);
    await lab.apply(
      group("one", [{ headers: { "x-beta": "yes" } }]),
      group("two", [{ pathRegex: "/beta" }]),
      split("s", "own", "app-c=1", ["one", "two"]),
    );
    const own = { to: "own:9091" };
    assert.equal((await lab.allows("app-a", { ...own, path: "/beta" })).app, "app-c");
    assert.equal((await lab.allows("app-a", { ...own, headers: { "x-beta": "yes" } })).app, "app-c");
    assert.equal((await lab.allows("app-a", own)).app, "app-b");
  });

  test("S18: matches that name a group that is not there leave the root alone, and that is said", async () => {
    const lab = running();
    await prepareOwn(lab);
    await lab.apply(split("s", "own", "app-c=1", ["gone"]));
    assert.deepEqual([...(await lab.share("app-a", { to: "own:9091" }, 10))], [["app-b", 10]]);
    assert.match(await describeSplit(lab), /"gone"/);
  });

  test("S19: of two splits of one root the older counts; without it the other does", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=1"));
    // Creation times are of whole seconds; of one second the name would decide.
    const second = Math.floor(systemClock.wallMs() / 1_000);
    await waitUntil("another second", () => Math.floor(systemClock.wallMs() / 1_000) > second);
    const younger = split("a-younger", "root", "app-c=1");
    await lab.apply(younger);
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 10))], [["app-b", 10]]);
    assert.match(await describeSplit(lab, "a-younger"), /AnotherSplit/);
    await lab.remove(split("s", "root", "app-b=1"));
    assert.deepEqual([...(await lab.share("app-a", { to: ROOT }, 10))], [["app-c", 10]]);
  });

  test("S20: a split that gets another root leaves the old one as it was", async () => {
    const lab = running();
    await prepareOwn(lab);
    await lab.apply(split("s", "own", "app-c=1"));
    assert.deepEqual([...(await lab.share("app-a", { to: "own:9091" }, 5))], [["app-c", 5]]);
    await lab.apply(split("s", "app-b", "app-c=1"));
    assert.deepEqual([...(await lab.share("app-a", { to: "own:9091" }, 5))], [["app-b", 5]]);
    assert.deepEqual([...(await lab.share("app-a", { to: "app-b:9091" }, 5))], [["app-c", 5]]);
  });

  test("S21: the root may be a Service without instances, or no Service at all", async () => {
    const lab = running();
    await lab.apply(...openAll("app-a"), service("bare", [{ port: 9091 }]), split("s", "bare", "app-b=1"));
    assert.deepEqual([...(await lab.share("app-a", { to: "bare:9091" }, 5))], [["app-b", 5]]);
    await lab.apply(split("t", "nowhere", "app-c=1"));
    assert.deepEqual([...(await lab.share("app-a", { to: "nowhere:9091" }, 5))], [["app-c", 5]]);
  });

  test("S22: opaque connections are split one by one, and go to the root's own instances where the split has matches", async () => {
    const lab = running();
    const port = 9000;
    await lab.apply(
      ...openAll("app-a"),
      service("stream", [{ port, appProtocol: "tcp" }]),
      service("elsewhere", [{ port, appProtocol: "tcp" }]),
      endpoint("elsewhere", "bytes", lab.inboundPort("bytes")),
      split("s", "stream", "bytes=1 elsewhere=1"),
    );
    for (let done = 0; done < 4; done += 1) assert.equal(await lab.exchange("app-a", "stream", port, "x"), "bytes:x");
    await lab.apply(service("none", [{ port, appProtocol: "tcp" }]), split("s", "stream", "bytes=1 none=1"));
    const ends = new Set<string>();
    for (let done = 0; done < 20; done += 1) ends.add(await lab.exchange("app-a", "stream", port, "x"));
    assert.deepEqual([...ends].sort(), ["bytes:x", "closed"], "half of the connections go where nothing is");
    await lab.apply(
      group("paths", [{ pathRegex: "/x" }]),
      endpoint("stream", "bytes", lab.inboundPort("bytes")),
      split("s", "stream", "none=1", ["paths"]),
    );
    assert.equal(await lab.exchange("app-a", "stream", port, "x"), "bytes:x");
  });

  test("S23: who is outside the mesh sees the app as it is, unsplit", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "app-b", "app-c=1"));
    assert.equal((await lab.allows("app-a", { to: "app-b:9091" })).app, "app-c");
    const socket = connect({ host: "127.0.0.1", port: await lab.appPort("app-b") });
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: app-b\r\nConnection: close\r\n\r\n");
    assert.match(await readOnce(socket), /^HTTP\/1\.1 200.*"app":"app-b"/s);
    socket.destroy();
  });

  test("S24: a split grants nothing: the backend that is reached decides", async () => {
    const lab = running();
    await prepare(lab);
    await lab.apply(split("s", "root", "app-b=1 app-c=1"));
    await lab.remove(target("open-app-c", { to: "app-c", from: [], rules: ["tcp:any-tcp"] }));
    const seen = await lab.share("app-a", { to: ROOT }, 40);
    assert.ok((seen.get("403") ?? 0) > 5 && (seen.get("app-b") ?? 0) > 5, JSON.stringify([...seen]));
    assert.equal(seen.get("app-c") ?? 0, 0);
  });

  test("S25: quantities of v1alpha1 in different units keep their ratio, and are read back as written", async () => {
    const lab = running();
    await lab.apply(...openAll("app-a"));
    const backends = '[{ service: app-b, weight: "1" }, { service: app-c, weight: 500m }]';
    await lab.applyVersions(
      `{ apiVersion: split.smi-spec.io/v1alpha1, kind: TrafficSplit, metadata: { name: old }, spec: { service: root, backends: ${backends} } }`,
      [split("old", "root", "app-b=2 app-c=1")],
    );
    const seen = await lab.share("app-a", { to: ROOT }, 900);
    assert.ok(isNear(seen, "app-b", 2 / 3) && isNear(seen, "app-c", 1 / 3), JSON.stringify([...seen]));
    const found = (await lab.raw("/apis/split.smi-spec.io/v1alpha1/namespaces/default/trafficsplits/old")) as {
      readonly spec: { readonly backends: unknown };
    };
    assert.deepEqual(found.spec.backends, [
      { service: "app-b", weight: "1" },
      { service: "app-c", weight: "500m" },
    ]);
  });

  test("S26: fractions and negative weights are refused", async () => {
    for (const weight of ["0.5", "-1", '"50"']) {
      const { code, stderr } = await running().applyText(`
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: wrong }
spec: { service: app-b, backends: [{ service: app-c, weight: ${weight} }] }
`);
      assert.notEqual(code, 0, weight);
      assert.match(stderr, /backends\[0\]\.weight/, weight);
    }
  });

  test("S27: a canary in v1alpha2, step by step; what is read back is what was written", async () => {
    const lab = running();
    await lab.apply(...openAll("app-a"));
    for (const [primary, canary] of [
      [100, 0],
      [90, 10],
      [50, 50],
      [0, 100],
      [100, 0],
    ] as const) {
      const spec = {
        service: "root",
        backends: [
          { service: "app-b", weight: primary },
          { service: "app-c", weight: canary },
        ],
      };
      const metadata = { name: "canary" };
      await lab.applyVersions(
        JSON.stringify({ apiVersion: "split.smi-spec.io/v1alpha2", kind: "TrafficSplit", metadata, spec }),
        [split("canary", "root", `app-b=${primary} app-c=${canary}`)],
      );
      const found = (await lab.raw("/apis/split.smi-spec.io/v1alpha2/namespaces/default/trafficsplits/canary")) as {
        readonly spec: unknown;
      };
      assert.deepEqual(found.spec, spec);
      const seen = await lab.share("app-a", { to: ROOT }, 100);
      assert.ok(isNear(seen, "app-c", canary / 100), `${canary}: ${JSON.stringify([...seen])}`);
    }
  });
}

/** app-b behind a Service of another name. */
async function prepareOwn(lab: Lab): Promise<void> {
  await lab.apply(
    ...openAll("app-a"),
    service("own", [{ port: 9091 }]),
    endpoint("own", "app-b", lab.inboundPort("app-b")),
  );
}

function moreOf(name: string, account: string): ReturnType<typeof endpoint>["metadata"] {
  const { metadata } = endpoint(name, account, 1);
  return { ...metadata, name: `${metadata.name}.more` };
}

async function describeSplit(lab: Lab, name: string = "s"): Promise<string> {
  return (await lab.mesh.weft(["describe", "trafficsplit", name])).stdout;
}

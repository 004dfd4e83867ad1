// `weft up` and `weft control-plane` with their resources in a real etcd.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTestCa } from "../../src/testing/test-ca.ts";
import type { KeyPair } from "../../src/transport/transport.ts";
import { ETCD, EtcdCluster, freePort } from "./etcd-cluster.ts";
import { call } from "./http-call.ts";
import { describeLoad, Load } from "./load.ts";
import { type CommandResult, endProcess, Mesh, runCommand } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

const WEFT = fileURLToPath(new URL("../../src/bin/weft.js", import.meta.url));
const { skip } = ETCD;
const SPLIT = { group: "split.smi-spec.io", kind: "TrafficSplit", namespace: "default", name: "front" } as const;
const folder = mkdtempSync(join(tmpdir(), "weft-etcd-mesh-"));

after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

function toYaml(endpoints: readonly string[]): string {
  return `
mesh: kept
store:
  url: etcd://${endpoints.join(",").replaceAll("http://", "")}
  secretsKey: secrets.key
services:
  front: { command: node smi-app.mjs }
  back: { command: node smi-app.mjs, allow: [caller] }
  caller: { command: node echo.mjs }
access: permissive
`;
}

const split = (backend: string): string => `
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: front }
spec: { service: front, backends: [{ service: ${backend}, weight: 1 }] }
`;

test(
  "weft up with its store in etcd: changes hold, a killed control plane comes back and costs no request, another weft up finds all",
  { skip },
  async () => {
    const files = mkdtempSync(join(folder, "files-"));
    writeFileSync(join(files, "secrets.key"), randomBytes(32).toString("base64"), { mode: 0o600 });
    const etcd = await EtcdCluster.start({ members: 3 });
    try {
      const yaml = toYaml(etcd.endpoints());
      const first = await Mesh.start({ yaml, files });
      try {
        const port = await first.outboundPort("caller-0");
        const answeredBy = async (name: string): Promise<void> => {
          await waitUntil(`${name} answers`, async () => {
            const { status, body } = await call({ port, host: "front", path: "/" });
            return status === 200 && (JSON.parse(body) as { readonly app: string }).app === name;
          });
        };
        await answeredBy("front");
        assert.equal((await first.weft(["apply", "-f", "-"], split("back"))).code, 0);
        await answeredBy("back");
        const load = new Load({ port, host: "front", path: "/", connections: 4, requestsPerSecond: 200 });
        await load.more(50);
        endProcess(first.processId("control plane"), "SIGKILL");
        await load.more(50);
        // Refused or not, nothing of it is lost once it was said to be done.
        await waitUntil("an apply is acknowledged again", async () => {
          return (await first.weft(["apply", "-f", "-"], split("front"))).code === 0;
        });
        await answeredBy("front");
        // One member fewer, and so again.
        await etcd.kill((await etcd.leader()) ?? 0);
        await waitUntil("an apply is acknowledged without the member", async () => {
          return (await first.weft(["apply", "-f", "-"], split("back"))).code === 0;
        });
        await answeredBy("back");
        const report = await load.stop();
        assert.equal(report.failures.length, 0, describeLoad(report));
        assert.ok(report.sent > 100, describeLoad(report));
      } finally {
        await first.stop();
      }
      const second = await Mesh.start({ yaml, files });
      try {
        const found = (await second.api().get(SPLIT)) as {
          readonly spec: { readonly backends: readonly unknown[] };
        } | null;
        assert.deepEqual(found?.spec.backends, [{ service: "back", weight: 1 }], "what the other one was told");
        const port = await second.outboundPort("caller-0");
        await waitUntil("back answers", async () => {
          const { status, body } = await call({ port, host: "front", path: "/" });
          return status === 200 && (JSON.parse(body) as { readonly app: string }).app === "back";
        });
      } finally {
        await second.stop();
      }
    } finally {
      await etcd.stop();
    }
  },
);

/** 2021: over when the test runs. */
const LONG_AGO_WALL_MS = 1_609_459_200_000;

test("weft control-plane reaches an etcd over TLS, and says what is wrong when it cannot", { skip }, async () => {
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const writePair = (name: string, pair: KeyPair): readonly [string, string] => [
    write(`${name}.pem`, pair.certificateChainPem),
    write(`${name}.key`, pair.keyPem),
  ];
  const [ca, other] = [await createTestCa({ trustDomain: "etcd" }), await createTestCa({ trustDomain: "other" })];
  const request = { namespace: "etcd", serviceAccount: "etcd", workload: "etcd", uris: [] };
  const here = { ...request, addresses: ["127.0.0.1"] };
  const elsewhere = { ...request, addresses: ["127.0.0.2"] };
  const caFile = write("ca.pem", ca.trustBundlePem);
  const otherFile = write("other.pem", other.trustBundlePem);
  const client = writePair("client", await ca.issue(request));
  const stranger = writePair("stranger", await other.issue(request));
  const expired = writePair("expired", await ca.issue({ ...request, notAfterWallMs: LONG_AGO_WALL_MS }));
  const startEtcd = async (name: string, pair: KeyPair): Promise<{ cluster: EtcdCluster; url: string }> => {
    const url = `https://127.0.0.1:${await freePort()}`;
    const [certificate, key] = writePair(name, pair);
    const cluster = await EtcdCluster.start({
      arguments: [
        ...["--listen-client-urls", url, "--advertise-client-urls", url, "--client-cert-auth"],
        ...["--cert-file", certificate, "--key-file", key, "--trusted-ca-file", caFile],
      ],
      wait: false,
    });
    return { cluster, url };
  };
  const start = (home: string, url: string, words: readonly string[]): Promise<CommandResult> =>
    runCommand(
      process.execPath,
      [
        ...[
          WEFT,
          "control-plane",
          "--mesh",
          "tls",
          "--store",
          url.replace(/^https?:/, "etcds:"),
          "--home",
          join(folder, home),
        ],
        ...["--api", "127.0.0.1:0", "--xds", "127.0.0.1:0", ...words],
      ],
      { cwd: folder, env: { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1" }, endWhen: /is ready$/m },
    );
  const right = await startEtcd("server", await ca.issue(here));
  const misnamed = await startEtcd("misnamed", await ca.issue(elsewhere));
  const plain = await EtcdCluster.start();
  try {
    const [withCa, asClient] = [
      ["--etcd-ca", caFile],
      ["--etcd-cert", client[0], "--etcd-key", client[1]],
    ];
    const fine = await start("home", right.url, [...withCa, ...asClient]);
    assert.match(fine.stdout, /is ready$/m, fine.stderr);
    const own = (pair: readonly [string, string]): readonly string[] => ["--etcd-cert", pair[0], "--etcd-key", pair[1]];
    const wrong: readonly [string, string, readonly string[], RegExp][] = [
      ["another CA", right.url, ["--etcd-ca", otherFile, ...asClient], /the CA that weft was given.*--etcd-ca/],
      ["no CA, so the system's", right.url, asClient, /the CA that weft was given.*--etcd-ca/],
      ["no client certificate", right.url, withCa, /TLS alert.*refuses weft's certificate.*--etcd-cert/s],
      [
        "a certificate of another CA",
        right.url,
        [...withCa, ...own(stranger)],
        /refuses weft's certificate.*--trusted-ca-file/,
      ],
      ["a certificate that has expired", right.url, [...withCa, ...own(expired)], /ended on 2021-01-01T00:00:00.000Z/],
      [
        "a member of another name",
        misnamed.url,
        [...withCa, ...asClient],
        /127\.0\.0\.2.*Name the member as its certificate does/s,
      ],
      [
        "the key of another",
        right.url,
        [...withCa, "--etcd-cert", client[0], "--etcd-key", stranger[1]],
        /key of another/,
      ],
      [
        "a certificate without its key",
        right.url,
        [...withCa, "--etcd-cert", client[0]],
        /a certificate without its key/,
      ],
      ["a file that is not there", right.url, ["--etcd-ca", join(folder, "gone.pem")], /gone\.pem.*ENOENT/],
      ["a key for a CA", right.url, ["--etcd-ca", client[1], ...asClient], /certificate authority that cannot be read/],
      [
        "TLS to a port without",
        plain.endpoints()[0] ?? "",
        [...withCa, ...asClient],
        /does not seem to speak TLS.*etcd:\/\//,
      ],
    ];
    // Each gives up after some seconds, so all at once.
    const results = await Promise.all(wrong.map(([, url, words], index) => start(`home-${index}`, url, words)));
    for (const [index, [what, , , says]] of wrong.entries()) {
      const { code, stdout, stderr } = results[index] ?? fine;
      assert.notEqual(code, 0, `${what}: ${stdout}`);
      assert.match(stderr, /^error: Cannot /, what);
      assert.match(stderr, says, what);
      assert.doesNotMatch(stderr, /PRIVATE KEY|Deprecation|rec_layer|\n {4}at /, what);
    }
  } finally {
    await right.cluster.stop();
    await misnamed.cluster.stop();
    await plain.stop();
  }
});

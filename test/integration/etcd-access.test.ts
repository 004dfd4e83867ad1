import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ClosingStack } from "../../src/control/closing-stack.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { createEtcdClient } from "../../src/store/etcd/create-etcd-client.ts";
import type { EtcdClient, EtcdClientOptions } from "../../src/store/etcd/etcd-client.ts";
import { hasCode } from "../../src/store/store-samples.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { ETCD, EtcdCluster, freePort, SILENT } from "./etcd-cluster.ts";
import { findProgram } from "./needs.ts";

const ETCDCTL = findProgram("etcdctl");
const OPENSSL = findProgram("openssl");
const skip = [ETCD, ETCDCTL, OPENSSL].find((program) => program.skip !== false)?.skip ?? false;

function createClient(options: Pick<EtcdClientOptions, "endpoints" | "tls" | "user">): EtcdClient {
  return createEtcdClient({ ...options, giveUpMs: 4_000, clock: systemClock, random: systemRandom, log: SILENT });
}

test(
  "the etcd client signs in, is refused with a wrong password, and follows a watch with its session",
  { skip },
  async (context) => {
    const closing = new ClosingStack();
    context.after(() => closing.close());
    const cluster = await EtcdCluster.start();
    closing.add(() => cluster.stop());
    const endpoints = cluster.endpoints();
    const etcdctl = async (...words: readonly string[]): Promise<void> => {
      await promisify(execFile)(ETCDCTL.path, ["--endpoints", endpoints.join(","), ...words], {
        env: { ETCDCTL_API: "3" },
      });
    };
    await etcdctl("user", "add", "root:secret");
    await etcdctl("user", "add", "weft:open");
    await etcdctl("role", "add", "weft");
    await etcdctl("role", "grant-permission", "weft", "--prefix=true", "readwrite", "/weft/shop/");
    await etcdctl("user", "grant-role", "root", "root");
    await etcdctl("user", "grant-role", "weft", "weft");
    await etcdctl("auth", "enable");
    const client = createClient({ endpoints, user: { name: "weft", password: "open" } });
    closing.add(() => client.close());
    const seen = new Promise<string>((resolve, reject) => {
      client.watch({
        key: "/weft/shop/a",
        fromRevision: 1,
        onEvents: (events) => resolve(String(events[0]?.kv.value)),
        onEnd: reject,
      });
    });
    await client.txn({ compare: [], success: [{ put: "/weft/shop/a", value: "1" }] });
    assert.equal(await seen, "1");
    await assert.rejects(client.get("/other"), hasCode("WEFT_STORE_DENIED"));
    for (const user of [{ name: "weft", password: "wrong" }, undefined]) {
      const stranger = createClient(user === undefined ? { endpoints } : { endpoints, user });
      closing.add(() => stranger.close());
      await assert.rejects(stranger.get("/weft/shop/a"), (error: unknown) => {
        assert.doesNotMatch(String(error), /wrong/, "no password in an error");
        return hasCode("WEFT_STORE_DENIED")(error);
      });
    }
  },
);

test(
  "the etcd client proves who it is by its certificate, and uses no member that it cannot verify",
  { skip },
  async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "weft-etcd-tls-"));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    const openssl = (...words: readonly string[]): void => {
      execFileSync(OPENSSL.path, words, { cwd: folder, stdio: "ignore" });
    };
    const issue = (name: string, signer: readonly string[]): void => {
      openssl(
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
        ...["-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`, ...signer],
      );
    };
    const leaf = [
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    ];
    issue("ca", []);
    issue("other", []);
    issue("server", leaf);
    issue("client", leaf);
    const endpoint = `https://127.0.0.1:${await freePort()}`;
    const file = (name: string): string => join(folder, name);
    const cluster = await EtcdCluster.start({
      arguments: [
        ...["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint, "--client-cert-auth"],
        ...["--cert-file", file("server.pem"), "--key-file", file("server.key"), "--trusted-ca-file", file("ca.pem")],
      ],
      wait: false,
    });
    context.after(() => cluster.stop());
    const read = (name: string): string => readFileSync(file(name), "utf8");
    const own = { certificatePem: read("client.pem"), keyPem: read("client.key") };
    const client = createClient({ endpoints: [endpoint], tls: { caPem: read("ca.pem"), ...own } });
    context.after(() => client.close());
    await client.txn({ compare: [], success: [{ put: "a", value: "1" }] });
    assert.equal(String((await client.get("a"))?.value), "1");
    for (const tls of [{ caPem: read("other.pem"), ...own }, { caPem: read("ca.pem") }]) {
      const stranger = createClient({ endpoints: [endpoint], tls });
      context.after(() => stranger.close());
      await assert.rejects(stranger.get("a"), hasCode("WEFT_STORE_UNREACHABLE"));
    }
  },
);

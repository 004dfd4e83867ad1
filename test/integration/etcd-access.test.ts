import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { ClosingStack } from "../../src/control/closing-stack.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { createEtcdClient } from "../../src/store/etcd/create-etcd-client.ts";
import type { EtcdClient, EtcdClientOptions } from "../../src/store/etcd/etcd-client.ts";
import { hasCode } from "../../src/store/store-samples.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { EtcdCertificates, startSecureEtcd } from "./etcd-certificates.ts";
import { ETCD, EtcdCluster, SILENT } from "./etcd-cluster.ts";
import { findProgram } from "./needs.ts";

const ETCDCTL = findProgram("etcdctl");
const skip = [ETCD, ETCDCTL].find((program) => program.skip !== false)?.skip ?? false;

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
    const certificates = await EtcdCertificates.create();
    context.after(() => certificates.remove());
    await certificates.issue("server");
    await certificates.issue("client");
    const { cluster, endpoint } = await startSecureEtcd(certificates, "server");
    context.after(() => cluster.stop());
    const own = { certificatePem: certificates.read("client.pem"), keyPem: certificates.read("client.key") };
    const client = createClient({ endpoints: [endpoint], tls: { caPem: certificates.read("ca.pem"), ...own } });
    context.after(() => client.close());
    await client.txn({ compare: [], success: [{ put: "a", value: "1" }] });
    assert.equal(String((await client.get("a"))?.value), "1");
    for (const tls of [{ caPem: certificates.read("other.pem"), ...own }, { caPem: certificates.read("ca.pem") }]) {
      const stranger = createClient({ endpoints: [endpoint], tls });
      context.after(() => stranger.close());
      await assert.rejects(stranger.get("a"), hasCode("WEFT_STORE_UNREACHABLE"));
    }
  },
);

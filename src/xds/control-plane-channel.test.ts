import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, ServerCredentials, type UntypedHandleCall } from "@grpc/grpc-js";
import { silentLog } from "../lib/log.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import { findFreePort } from "../testing/odd-servers.ts";
import { createTestCa, type TestCa } from "../testing/test-ca.ts";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import type { KeyPair } from "../transport/transport.ts";
import { ControlPlaneChannel, type ControlPlaneAddress } from "./control-plane-channel.ts";
import { GrpcError, type GrpcStatus } from "./grpc-status.ts";

const WHO = "/t.Test/Who";
const HOLD = "/t.Test/Hold";
const identity = (bytes: Buffer): Buffer => bytes;
const raw = {
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
};

let ca: TestCa;
let serverPair: KeyPair;
let clientPair: KeyPair;
const servers = new Map<string, Server>();

before(async () => {
  ca = await createTestCa({ trustDomain: "test.mesh" });
  serverPair = await ca.issue({ namespace: "weft", serviceAccount: "control-plane", workload: "control-plane" });
  clientPair = await ca.issue({ namespace: "shop", serviceAccount: "web", workload: "web-0" });
});

after(() => {
  for (const server of servers.values()) server.forceShutdown();
});

/** A server that says its name. */
async function serve(name: string, at = 0): Promise<ControlPlaneAddress> {
  const server = new Server();
  const who = (_: unknown, respond: (error: null, answer: Buffer) => void): void => respond(null, Buffer.from(name));
  const hold = (call: { on(event: "error", listener: () => void): void }): void => call.on("error", () => undefined);
  server.addService(
    {
      Who: { path: WHO, requestStream: false, responseStream: false, ...raw },
      Hold: { path: HOLD, requestStream: true, responseStream: true, ...raw },
    },
    { Who: who as UntypedHandleCall, Hold: hold as UntypedHandleCall },
  );
  const credentials = ServerCredentials.createSsl(
    Buffer.from(ca.trustBundlePem),
    [{ private_key: Buffer.from(serverPair.keyPem), cert_chain: Buffer.from(serverPair.certificateChainPem) }],
    true,
  );
  servers.set(name, server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${at}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { host: "127.0.0.1", port };
}

function createChannel(addresses: readonly ControlPlaneAddress[], seed: number): ControlPlaneChannel {
  return new ControlPlaneChannel({
    addresses,
    serverSpiffeId: "spiffe://test.mesh/ns/weft/sa/control-plane",
    credentials: () => ({ keyPair: clientPair, trustBundlePem: ca.trustBundlePem }),
    clock: systemClock,
    random: createSeededRandom(seed),
    log: silentLog,
  });
}

async function ask(channel: ControlPlaneChannel): Promise<string> {
  return Buffer.from(await channel.unary(WHO, new Uint8Array(), { deadlineMs: 5_000 })).toString();
}

test("ControlPlaneChannel chooses evenly and stays with its choice", async () => {
  const addresses = [await serve("a"), await serve("b")];
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const channel = createChannel(addresses, seed);
    const name = await ask(channel);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    assert.equal(await ask(channel), name);
    channel.close();
  }
  for (const name of ["a", "b"]) assert.ok((counts.get(name) ?? 0) >= 10, `${name}: ${counts.get(name)} of 40`);
});

test("ControlPlaneChannel passes over what does not answer, without a failed call", async () => {
  const alive = await serve("c");
  const dead = { host: "127.0.0.1", port: await findFreePort() };
  for (let seed = 1; seed <= 10; seed += 1) {
    const channel = createChannel([dead, alive], seed);
    assert.equal(await ask(channel), "c");
    channel.close();
  }
});

test("ControlPlaneChannel tells a stream that its control plane died, and opens the next one at another", async () => {
  const addresses = [await serve("d"), await serve("e")];
  const channel = createChannel(addresses, 1);
  const first = await ask(channel);
  const ended = within(
    "the end of the stream",
    new Promise<GrpcStatus>((resolve) => {
      void channel.openStream(HOLD, { onMessage: () => undefined, onEnd: resolve }).then((stream) => {
        stream.write(new Uint8Array(1));
        servers.get(first)?.forceShutdown();
      });
    }),
  );
  assert.equal((await ended).code, 14);
  assert.equal(await ask(channel), first === "d" ? "e" : "d");
  channel.close();
});

test("ControlPlaneChannel learns addresses, and says so when none answers", async () => {
  const dead = { host: "127.0.0.1", port: await findFreePort() };
  const channel = createChannel([dead], 1);
  await assert.rejects(ask(channel), (error: unknown) => error instanceof GrpcError && error.code === 14);
  channel.learn([]);
  await assert.rejects(ask(channel), /no connection to the control plane/);
  channel.learn([dead, await serve("f")]);
  assert.equal(await ask(channel), "f");
  channel.close();
});

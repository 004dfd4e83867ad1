import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { systemClock } from "../time/system-clock.ts";
import { FreePorts, isPortFree } from "./free-port.ts";
import { type ConnectOnce, createConnectOnce, watchPort } from "./port-probe.ts";

interface Attempts {
  readonly connect: ConnectOnce;
  readonly pending: ((accepted: boolean) => void)[];
  cancelled: number;
}

function createAttempts(): Attempts {
  const attempts: Attempts = {
    pending: [],
    cancelled: 0,
    connect: (_host, _port, onResult) => {
      attempts.pending.push(onResult);
      return () => (attempts.cancelled += 1);
    },
  };
  return attempts;
}

test("watchPort() asks often at first, more slowly later, and stops when something accepts", () => {
  const clock = new FakeClock();
  const attempts = createAttempts();
  const changes: boolean[] = [];
  watchPort({
    clock,
    connect: attempts.connect,
    host: "127.0.0.1",
    port: 1,
    recheckMs: null,
    onChange: (accepting) => changes.push(accepting),
  });
  const times: number[] = [];
  for (let i = 0; i < 9; i += 1) {
    times.push(clock.nowMs());
    attempts.pending.pop()?.(false);
    while (attempts.pending.length === 0) clock.advance(5);
  }
  assert.deepEqual(times, [0, 15, 30, 50, 70, 100, 130, 180, 280]);
  attempts.pending.pop()?.(true);
  assert.deepEqual(changes, [true]);
  assert.equal(clock.pendingTimers(), 0);
});

test("watchPort() that rechecks sees the port go away and come back", () => {
  const clock = new FakeClock();
  const attempts = createAttempts();
  const changes: boolean[] = [];
  const stop = watchPort({
    clock,
    connect: attempts.connect,
    host: "127.0.0.1",
    port: 1,
    recheckMs: 2000,
    onChange: (accepting) => changes.push(accepting),
  });
  for (const accepted of [true, true, false, true]) {
    attempts.pending.pop()?.(accepted);
    clock.advance(2000);
  }
  assert.deepEqual(changes, [true, false, true]);
  stop();
  assert.equal(attempts.cancelled, 1);
  assert.equal(clock.pendingTimers(), 0);
});

test("createConnectOnce() tells a port that accepts from one that does not", async () => {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connect = createConnectOnce(systemClock);
  const ask = (): Promise<boolean> => new Promise((resolve) => connect("127.0.0.1", port, resolve));
  assert.equal(await ask(), true);
  server.close();
  await once(server, "close");
  assert.equal(await ask(), false);
});

test("FreePorts gives each port once, below the range of outgoing connections", async () => {
  const ports = new FreePorts(createSeededRandom(7));
  const given = [await ports.take(), await ports.take(), await ports.take()];
  assert.equal(new Set(given).size, 3);
  assert.ok(given.every((port) => port >= 20_000 && port < 30_000));
});

test("isPortFree() is false where somebody listens", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  assert.equal(await isPortFree(port), false);
  assert.equal(await isPortFree(port, "127.0.0.1"), false);
  server.close();
  await once(server, "close");
  assert.equal(await isPortFree(port, "127.0.0.1"), true);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import { nextTurn } from "../../time/next-turn.ts";
import type { ConnectedSocket } from "../../transport/datagrams.ts";
import { MemoryDatagrams } from "../../transport/memory-datagrams.ts";
import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import { ProxyCounters } from "../counters.ts";
import { frameDatagram } from "./datagram-frames.ts";
import { IDLE_MS, MAX_FLOWS, REFUSED_MS, UdpFlows } from "./udp-flows.ts";

/** What stands behind a flow; what it was told is written down. */
class Behind implements ConnectionHandler {
  readonly told: string[] = [];
  connection: Connection | null = null;

  onOpen(connection: Connection): void {
    this.connection = connection;
    this.told.push("open");
  }

  onData(bytes: Uint8Array): void {
    this.told.push(`data ${Buffer.from(bytes.subarray(2)).toString()}`);
  }

  onDrain(): void {}

  onEnd(): void {
    this.told.push("end");
    this.connection?.end();
  }

  onClose(failure: TransportFailure | null): void {
    this.told.push(`close ${failure?.kind ?? "well"}`);
  }
}

class Scene {
  readonly clock = new FakeClock();
  readonly datagrams = new MemoryDatagrams();
  readonly counters = new ProxyCounters();
  readonly behind: Behind[] = [];
  readonly flows = new UdpFlows(this, () => {
    const behind = new Behind();
    this.behind.push(behind);
    return behind;
  });
  port = 0;

  static async create(): Promise<Scene> {
    const scene = new Scene();
    scene.port = await scene.flows.bind("127.0.0.1", 0);
    return scene;
  }

  async client(answers: string[] = []): Promise<ConnectedSocket> {
    const socket = this.datagrams.connect(
      { host: "127.0.0.1", port: this.port },
      {
        onReady: () => undefined,
        onDatagram: (bytes) => answers.push(Buffer.from(bytes).toString()),
        onFailed: (message) => answers.push(message),
      },
    );
    await this.settle();
    return socket;
  }

  settle(): Promise<void> {
    return nextTurn();
  }
}

test("UdpFlows tells clients apart, and answers go to whoever asked", async () => {
  const scene = await Scene.create();
  const [answersA, answersB]: [string[], string[]] = [[], []];
  const [a, b] = [await scene.client(answersA), await scene.client(answersB)];
  a.send(Buffer.from("1"));
  b.send(Buffer.from("2"));
  a.send(Buffer.from("3"));
  await scene.settle();
  assert.deepEqual(
    scene.behind.map(({ told }) => told),
    [
      ["open", "data 1", "data 3"],
      ["open", "data 2"],
    ],
  );
  scene.behind[1]?.connection?.write(frameDatagram(Buffer.from("to b")));
  await scene.settle();
  assert.deepEqual([answersA, answersB], [[], ["to b"]]);
  assert.deepEqual([scene.counters.udpFlows, scene.counters.udpReceived, scene.counters.udpSent], [2, 3, 1]);
  scene.flows.close();
  assert.equal(scene.clock.pendingTimers(), 0);
});

test("UdpFlows ends a flow that was silent for a minute both ways, and begins another for what comes then", async () => {
  const scene = await Scene.create();
  const client = await scene.client();
  client.send(Buffer.from("1"));
  await scene.settle();
  await scene.clock.elapse(IDLE_MS - 1_000);
  scene.behind[0]?.connection?.write(frameDatagram(Buffer.from("late")));
  await scene.clock.elapse(IDLE_MS - 2_000);
  assert.deepEqual(scene.behind[0]?.told, ["open", "data 1"]);
  await scene.clock.elapse(3_000);
  assert.deepEqual(scene.behind[0]?.told, ["open", "data 1", "end", "close well"]);
  client.send(Buffer.from("2"));
  await scene.settle();
  assert.deepEqual(scene.behind[1]?.told, ["open", "data 2"]);
  scene.flows.close();
});

test("UdpFlows loses what comes for a second after a flow failed, and counts it", async () => {
  const scene = await Scene.create();
  const client = await scene.client();
  client.send(Buffer.from("1"));
  await scene.settle();
  scene.behind[0]?.connection?.destroy();
  await scene.settle();
  client.send(Buffer.from("2"));
  await scene.settle();
  assert.deepEqual([scene.behind.length, scene.counters.udpDropped], [1, 1]);
  await scene.clock.elapse(REFUSED_MS + 1_000);
  client.send(Buffer.from("3"));
  await scene.settle();
  assert.deepEqual(scene.behind[1]?.told, ["open", "data 3"]);
  scene.flows.close();
});

test("UdpFlows keeps what a paused flow cannot pass on, up to a bound, and loses the newest", async () => {
  const scene = await Scene.create();
  const client = await scene.client();
  client.send(Buffer.from("first"));
  await scene.settle();
  const [behind] = scene.behind;
  behind?.connection?.pauseReads();
  for (let i = 0; i < 100; i += 1) client.send(Buffer.from(String(i)));
  await scene.settle();
  assert.equal(scene.counters.udpDropped, 36);
  behind?.connection?.resumeReads();
  await scene.settle();
  assert.deepEqual(
    behind?.told.slice(2),
    Array.from({ length: 64 }, (_, i) => `data ${i}`),
  );
  client.send(Buffer.alloc(60_000));
  await scene.settle();
  behind?.connection?.pauseReads();
  for (let i = 0; i < 5; i += 1) client.send(Buffer.alloc(60_000));
  await scene.settle();
  assert.equal(scene.counters.udpDropped, 37);
  scene.flows.close();
});

test("UdpFlows has no more flows than its bound", async () => {
  const scene = await Scene.create();
  for (let i = 0; i <= MAX_FLOWS; i += 1) (await scene.client()).send(Buffer.from("x"));
  await scene.settle();
  assert.deepEqual([scene.behind.length, scene.counters.udpDropped], [MAX_FLOWS, 1]);
  scene.flows.close();
});

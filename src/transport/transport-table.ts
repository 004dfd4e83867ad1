// The one table of tests that every transport passes; each has a file `<name>.test.ts` that runs it. Tables by topic:
// this file has plain connections, `transport-tls-table.ts` TLS. Long because it is a list, not a mechanism.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import { ConnectionRecorder } from "../testing/connection-recorder.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { Clock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";
import { TransportBench } from "./transport-bench.ts";
import type { Connection, Transport } from "./transport.ts";
import { BATCH_BYTES, HIGH_MARK_BYTES } from "./watermarks.ts";
import { COPIED_BYTES } from "./write-queue.ts";

export interface TransportTableOptions {
  readonly name: string;
  create(clock: Clock): Transport;
}

const HOST = "127.0.0.1";

export function testTransport({ name, create }: TransportTableOptions): void {
  function fact(title: string, run: (bench: TransportBench) => Promise<void>): void {
    test(`${name} transport ${title}`, async () => {
      const bench = new TransportBench(create(systemClock));
      try {
        await run(bench);
      } finally {
        await bench.close();
      }
    });
  }

  fact("opens, carries bytes both ways and closes once", async (bench) => {
    const { caller, called } = await bench.openPair();
    caller.connection?.write(Buffer.from("ping"));
    await called.received(4);
    called.connection?.write(Buffer.from("pong"));
    await caller.received(4);
    caller.connection?.end();
    await called.seen("end");
    called.connection?.end();
    assert.equal(await caller.closed(), null);
    assert.equal(await called.closed(), null);
    assert.deepEqual(called.events, ["open", "data", "end", "close"]);
    assert.deepEqual(caller.events, ["open", "data", "end", "close"]);
    assert.equal(called.text(), "ping");
    assert.equal(caller.text(), "pong");
  });

  fact("shows who is at the other end", async (bench) => {
    const { caller, called } = await bench.openPair();
    const seen = called.connection?.peer;
    assert.equal(seen?.remoteAddress, HOST);
    assert.equal(seen.localPort, bench.port);
    assert.equal(seen.tls, null);
    assert.equal(caller.connection?.peer.remotePort, bench.port);
    assert.equal(caller.connection?.peer.localPort, seen.remotePort);
  });

  fact("connects by name", async (bench) => {
    const listening = await bench.listen();
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller, { host: "localhost" });
    assert.equal((await caller.opened()).peer.remoteAddress, HOST);
    await (await listening.next()).opened();
  });

  fact("says refused for a port that cannot be", async (bench) => {
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller, { port: 70_000 });
    assert.equal((await caller.closed())?.kind, "refused");
    assert.deepEqual(caller.events, ["close"]);
  });

  fact("runs no callback inside its methods", async (bench) => {
    const listening = await bench.listen();
    const inside: string[] = [];
    const guard = (recorder: ConnectionRecorder, label: string, act: () => void): void => {
      const before = recorder.events.length;
      act();
      if (recorder.events.length !== before) inside.push(label);
    };
    const caller = new ConnectionRecorder("caller", (event, recorder) => {
      const connection = recorder.connection as Connection;
      if (event === "open") {
        guard(recorder, "write", () => connection.write(Buffer.alloc(HIGH_MARK_BYTES * 2)));
        guard(recorder, "pauseReads", () => connection.pauseReads());
        guard(recorder, "resumeReads", () => connection.resumeReads());
        guard(recorder, "end", () => connection.end());
      }
      if (event === "data") guard(recorder, "destroy", () => connection.destroy());
    });
    guard(caller, "connect", () => bench.connect(caller));
    const called = await listening.next();
    await called.seen("end");
    called.connection?.write(Buffer.from("now destroy"));
    assert.equal((await caller.closed())?.kind, "local");
    assert.deepEqual(inside, []);
  });

  fact("joins the writes of one callback into one arrival", async (bench) => {
    const { caller, called } = await bench.openPair();
    called.react = (event, recorder) => {
      if (event !== "data") return;
      recorder.connection?.write(Buffer.from("a"));
      recorder.connection?.write(Buffer.from("b"));
      recorder.connection?.write(Buffer.from("c"));
    };
    caller.connection?.write(Buffer.from("?"));
    await caller.received(3);
    assert.equal(caller.chunks.length, 1);
    assert.equal(caller.text(), "abc");
  });

  fact("joins the writes of one turn outside a callback", async (bench) => {
    const { caller, called } = await bench.openPair();
    caller.connection?.write(Buffer.from("a"));
    caller.connection?.write(Buffer.from("b"));
    caller.connection?.write(Buffer.from("c"));
    await called.received(3);
    assert.equal(called.chunks.length, 1);
  });

  fact("holds writes back at the end of a callback while they are batched, and not otherwise", async (bench) => {
    const { caller, called } = await bench.openPair();
    const waiting: number[] = [];
    called.react = (event, recorder) => {
      const connection = recorder.connection as Connection;
      if (event !== "data") return;
      // Before the write: in memory, a turn ends with the microtasks that wait.
      queueMicrotask(() => waiting.push(connection.bufferedBytes()));
      connection.write(Buffer.from("answer"));
    };
    for (const [round, on] of [false, true, false].entries()) {
      called.connection?.batchWrites(on);
      caller.connection?.write(Buffer.from("?"));
      await caller.received(6 * (round + 1));
    }
    assert.deepEqual(waiting, [0, 6, 0]);
  });

  fact("does not batch more than BATCH_BYTES", async (bench) => {
    const { caller, called } = await bench.openPair();
    const bytes = Buffer.alloc(BATCH_BYTES / 8 + 1, 1);
    let waiting = -1;
    called.connection?.batchWrites(true);
    called.react = (event, recorder) => {
      const connection = recorder.connection as Connection;
      if (event !== "data") return;
      queueMicrotask(() => (waiting = connection.bufferedBytes()));
      for (let index = 0; index < 8; index += 1) connection.write(bytes);
    };
    caller.connection?.write(Buffer.from("?"));
    await caller.received(bytes.length * 8);
    assert.ok(waiting < bytes.length * 8, `${waiting} bytes waited`);
  });

  fact(
    "sends batched writes in order when batching ends, the connection ends and others write meanwhile",
    async (bench) => {
      const pairs = [await bench.openPair(), await bench.openPair(), await bench.openPair()];
      const random = createSeededRandom(5);
      const sent: Buffer[][] = pairs.map(() => []);
      for (let index = 0; index < 300; index += 1) {
        const which = random.below(pairs.length);
        const connection = pairs[which]?.caller.connection;
        connection?.batchWrites(random.below(4) !== 0);
        const bytes = Buffer.alloc(random.below(9) === 0 ? COPIED_BYTES + 9 : random.below(900), index);
        sent[which]?.push(bytes);
        connection?.write(bytes);
        if (random.below(20) === 0) await Promise.resolve();
        if (random.below(40) === 0) await bench.takeTurns(1);
      }
      for (const [index, { caller, called }] of pairs.entries()) {
        caller.connection?.end();
        await called.seen("end");
        assert.ok(Buffer.concat(called.chunks).equals(Buffer.concat(sent[index] ?? [])));
      }
    },
  );

  fact("drops batched writes when destroyed", async (bench) => {
    const { caller, called } = await bench.openPair();
    caller.connection?.batchWrites(true);
    caller.connection?.write(Buffer.from("never"));
    caller.connection?.destroy();
    assert.equal((await caller.closed())?.kind, "local");
    await called.closed();
    assert.equal(called.receivedBytes, 0);
  });

  fact("keeps the order of small and large writes", async (bench) => {
    const { caller, called } = await bench.openPair();
    const random = createSeededRandom(7);
    const sent: Buffer[] = [];
    for (let index = 0; index < 60; index += 1) {
      const bytes = Buffer.alloc(random.below(3) === 0 ? COPIED_BYTES + random.below(9000) : random.below(900), index);
      sent.push(bytes);
      caller.connection?.write(bytes);
    }
    const expected = Buffer.concat(sent);
    await called.received(expected.length);
    assert.ok(Buffer.concat(called.chunks).equals(expected));
  });

  fact("has copied a small write when write returns", async (bench) => {
    const { caller, called } = await bench.openPair();
    const scratch = Buffer.from("first");
    caller.connection?.write(scratch);
    scratch.write("other");
    caller.connection?.write(scratch);
    await called.received(10);
    assert.equal(called.text(), "firstother");
  });

  fact("gives away the bytes of onData for good", async (bench) => {
    const { caller, called } = await bench.openPair();
    const random = createSeededRandom(11);
    const sent = createHash("sha256");
    for (let round = 0; round < 40; round += 1) {
      const bytes = random.bytes(1 + random.below(3000));
      sent.update(bytes);
      const before = called.receivedBytes;
      caller.connection?.write(bytes);
      await called.received(before + bytes.length);
    }
    assert.equal(createHash("sha256").update(Buffer.concat(called.chunks)).digest("hex"), sent.digest("hex"));
  });

  fact("sends what was written before it opened", async (bench) => {
    const listening = await bench.listen();
    const caller = new ConnectionRecorder("caller");
    const connection = bench.connect(caller);
    connection.write(Buffer.from("early "));
    connection.write(Buffer.from("bird"));
    connection.end();
    const called = await listening.next();
    await called.seen("end");
    assert.equal(called.text(), "early bird");
  });

  for (const owns of [false, true]) {
    fact(`carries 10 MB both ways at once within its marks${owns ? ", freeing what is sent" : ""}`, async (bench) => {
      const { caller, called } = await bench.openPair();
      if (owns) for (const { connection } of [caller, called]) connection?.ownWrites();
      const transfers = [transfer(caller, called, 1), transfer(called, caller, 2)];
      for (const { sent, received } of await Promise.all(transfers)) assert.equal(received, sent);
      assert.equal(await caller.closed(), null);
      assert.equal(await called.closed(), null);
    });
  }

  fact("stops the sender while reads are paused, and loses nothing", async (bench) => {
    const { caller, called } = await bench.openPair();
    called.connection?.pauseReads();
    called.connection?.pauseReads();
    called.keep = false;
    const total = 32 * 1024 * 1024;
    const chunk = Buffer.alloc(128 * 1024, 7);
    let written = 0;
    const pump = (): void => {
      for (let goOn = true; goOn && written < total; written += chunk.length) {
        goOn = caller.connection?.write(chunk) ?? false;
      }
    };
    caller.react = (event) => {
      if (event === "drain") pump();
    };
    pump();
    await bench.takeTurns(60);
    const stuckAt = written;
    await bench.takeTurns(20);
    assert.equal(written, stuckAt);
    assert.ok(written < total, "the sender was never stopped");
    assert.equal(called.receivedBytes, 0);
    assert.ok((caller.connection?.bufferedBytes() ?? 0) > 0);
    called.connection?.resumeReads();
    await called.received(total);
    assert.equal(called.receivedBytes, total);
  });

  fact("delivers nothing between pauseReads and resumeReads", async (bench) => {
    const { caller, called } = await bench.openPair();
    let paused = false;
    called.react = (event, recorder) => {
      assert.ok(!(paused && event === "data"), "data while paused");
      if (event !== "data") return;
      recorder.connection?.pauseReads();
      paused = true;
    };
    const bytes = Buffer.alloc(400_000, 1);
    caller.connection?.write(bytes);
    caller.connection?.end();
    while (!called.events.includes("end")) {
      await bench.takeTurns(2);
      paused = false;
      called.connection?.resumeReads();
    }
    assert.equal(called.receivedBytes, bytes.length);
  });

  fact("holds back data for a connection that pauses in onOpen", async (bench) => {
    const listening = await bench.listen((event, recorder) => {
      if (event === "open") recorder.connection?.pauseReads();
    });
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller).write(Buffer.from("waits"));
    const called = await listening.next();
    await bench.takeTurns(10);
    assert.deepEqual(called.events, ["open"]);
    called.connection?.resumeReads();
    await called.received(5);
  });

  fact("goes on sending after the peer has ended", async (bench) => {
    const { caller, called } = await bench.openPair();
    const answer = createSeededRandom(3).bytes(1_000_000);
    called.react = (event, recorder) => {
      if (event !== "end") return;
      recorder.connection?.write(answer);
      recorder.connection?.end();
    };
    caller.connection?.write(Buffer.from("question"));
    caller.connection?.end();
    assert.equal(await caller.closed(), null);
    assert.equal(await called.closed(), null);
    assert.ok(Buffer.concat(caller.chunks).equals(answer));
    assert.deepEqual(
      called.events.filter((event) => event !== "drain"),
      ["open", "data", "end", "close"],
    );
    assert.deepEqual(caller.events.slice(-2), ["end", "close"]);
  });

  fact("goes on sending after the caller was ended by the called", async (bench) => {
    const { caller, called } = await bench.openPair();
    called.connection?.end();
    await caller.seen("end");
    caller.connection?.write(Buffer.from("still here"));
    caller.connection?.end();
    await called.seen("end");
    assert.equal(called.text(), "still here");
    assert.equal(await called.closed(), null);
    assert.equal(await caller.closed(), null);
  });

  fact("ignores writes after end", async (bench) => {
    const { caller, called } = await bench.openPair();
    caller.connection?.write(Buffer.from("all"));
    caller.connection?.end();
    caller.connection?.end();
    assert.equal(caller.connection?.write(Buffer.from("too late")), true);
    await called.seen("end");
    assert.equal(called.text(), "all");
  });

  fact("resets the peer when destroyed in the middle of a write", async (bench) => {
    const { caller, called } = await bench.openPair();
    called.connection?.pauseReads();
    const total = 24 * 1024 * 1024;
    caller.connection?.write(Buffer.alloc(total, 5));
    await bench.takeTurns(20);
    caller.connection?.destroy();
    caller.connection?.destroy();
    assert.equal((await caller.closed())?.kind, "local");
    // libuv tells a reset that comes behind unread bytes as an end, so both are right here; all the bytes are not.
    called.keep = false;
    called.react = (event, recorder) => {
      if (event === "end") recorder.connection?.end();
    };
    called.connection?.resumeReads();
    await called.closed();
    assert.ok(called.receivedBytes < total);
    assert.equal(caller.connection?.write(Buffer.from("gone")), true);
    assert.equal(caller.connection?.bufferedBytes(), 0);
  });

  fact("resets an idle peer when destroyed", async (bench) => {
    const { caller, called } = await bench.openPair();
    called.connection?.destroy();
    assert.equal((await caller.closed())?.kind, "reset");
    assert.equal((await called.closed())?.kind, "local");
  });

  fact("says nothing but close after destroy", async (bench) => {
    const { caller, called } = await bench.openPair();
    called.react = (event, recorder) => {
      if (event === "data") recorder.connection?.destroy();
    };
    for (let index = 0; index < 50; index += 1) caller.connection?.write(Buffer.alloc(20_000));
    caller.connection?.end();
    await called.closed();
    assert.deepEqual(called.events, ["open", "data", "close"]);
    await caller.closed();
  });

  fact("closes with nothing else when destroyed before it opened", async (bench) => {
    await bench.listen();
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller).destroy();
    assert.equal((await caller.closed())?.kind, "local");
    await bench.takeTurns(10);
    assert.deepEqual(caller.events, ["close"]);
  });

  fact("says refused when nobody listens", async (bench) => {
    const listening = await bench.listen();
    await listening.listener.close();
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller);
    const failure = await caller.closed();
    assert.equal(failure?.kind, "refused");
    assert.match(failure?.message ?? "", new RegExp(`127\\.0\\.0\\.1:${bench.port}`));
    assert.deepEqual(caller.events, ["close"]);
  });

  fact("keeps open connections when its listener closes", async (bench) => {
    const { caller, called, listener } = await bench.openPair();
    await listener.close();
    await listener.close();
    caller.connection?.write(Buffer.from("still"));
    await called.received(5);
    const late = new ConnectionRecorder("late caller");
    bench.connect(late);
    assert.equal((await late.closed())?.kind, "refused");
  });

  fact("rejects a port that is taken", async (bench) => {
    await bench.listen();
    await assert.rejects(
      bench.transport.listen({ address: HOST, port: bench.port, tls: null }, () => new ConnectionRecorder("nobody")),
      { code: "WEFT_TRANSPORT_LISTEN", message: /^Cannot listen on 127\.0\.0\.1 port \d+: the port is in use$/ },
    );
  });

  test(`${name} transport gives up connecting after timeoutMs`, async () => {
    const clock = new FakeClock();
    const bench = new TransportBench(create(clock));
    try {
      await bench.listen();
      const caller = new ConnectionRecorder("caller");
      bench.connect(caller, { timeoutMs: 250 });
      // Time passes before the platform has had a chance to connect.
      clock.advance(250);
      const failure = await caller.closed();
      assert.equal(failure?.kind, "timeout");
      assert.match(failure?.message ?? "", /250 ms/);
      await bench.takeTurns(5);
      assert.deepEqual(caller.events, ["close"]);
      assert.equal(clock.pendingTimers(), 0);
    } finally {
      await bench.close();
    }
  });

  test(`${name} transport leaves no timer behind`, async () => {
    const clock = new FakeClock();
    const bench = new TransportBench(create(clock));
    try {
      await bench.openPair();
      assert.equal(clock.pendingTimers(), 0);
    } finally {
      await bench.close();
    }
  });

  fact("opens and closes 500 connections, each once", async (bench) => {
    const listening = await bench.listen((event, recorder) => {
      if (event === "data") recorder.connection?.write(Buffer.from("b"));
      if (event === "end") recorder.connection?.end();
    });
    for (let wave = 0; wave < 10; wave += 1) {
      const callers = Array.from({ length: 50 }, (_, index) => {
        const caller = new ConnectionRecorder(`caller ${wave * 50 + index}`, (event, recorder) => {
          if (event === "data") recorder.connection?.end();
        });
        bench.connect(caller).write(Buffer.from("a"));
        return caller;
      });
      for (const caller of callers) {
        assert.equal(await caller.closed(), null);
        assert.deepEqual(caller.events, ["open", "data", "end", "close"]);
      }
    }
    assert.equal(listening.accepted.length, 500);
    for (const called of listening.accepted) {
      assert.equal(await called.closed(), null);
      assert.deepEqual(called.events, ["open", "data", "end", "close"]);
    }
  });
}

/** Sends 10 MB in pieces of random size, stopping when told to; the receiver pauses now and then. */
async function transfer(
  sender: ConnectionRecorder,
  receiver: ConnectionRecorder,
  seed: number,
): Promise<{ sent: string; received: string }> {
  const random = createSeededRandom(seed);
  const total = 10_000_000;
  const sentHash = createHash("sha256");
  const receivedHash = createHash("sha256");
  let written = 0;
  const pump = (connection: Connection): void => {
    for (let goOn = true; goOn && written < total;) {
      const bytes = random.bytes(Math.min(1 + random.below(90_000), total - written));
      sentHash.update(bytes);
      written += bytes.length;
      goOn = connection.write(bytes);
      assert.ok(connection.bufferedBytes() <= HIGH_MARK_BYTES + bytes.length);
      if (written === total) connection.end();
    }
  };
  const before = sender.react;
  sender.react = (event, recorder) => {
    before(event, recorder);
    if (event === "drain") pump(recorder.connection as Connection);
  };
  const receive = receiver.react;
  receiver.keep = true;
  let hashed = 0;
  receiver.react = (event, recorder) => {
    receive(event, recorder);
    if (event !== "data") return;
    for (; hashed < recorder.chunks.length; hashed += 1)
      receivedHash.update(recorder.chunks[hashed] ?? Buffer.alloc(0));
    if (hashed % 16 === 0) {
      recorder.connection?.pauseReads();
      queueMicrotask(() => recorder.connection?.resumeReads());
    }
  };
  pump(sender.connection as Connection);
  await receiver.received(total);
  await receiver.seen("end");
  return { sent: sentHash.digest("hex"), received: receivedHash.digest("hex") };
}

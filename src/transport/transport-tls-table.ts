// The TLS half of the table of tests that every transport passes; see `transport-table.ts`. Long because it is a list.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { createSeededRandom } from "../random/seeded-random.ts";
import { ConnectionRecorder } from "../testing/connection-recorder.ts";
import { createTestCa, type TestCa, type TestSvidRequest } from "../testing/test-ca.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import { TransportBench } from "./transport-bench.ts";
import type { KeyPair, TlsClientOptions, TlsServerOptions } from "./transport.ts";
import type { TransportTableOptions } from "./transport-table.ts";

const WEB = { namespace: "default", serviceAccount: "web", workload: "web-0" } as const;
const REVIEWS = { namespace: "default", serviceAccount: "reviews", workload: "reviews-v1-0" } as const;
const WEB_ID = "spiffe://shop.mesh/ns/default/sa/web";
const REVIEWS_ID = "spiffe://shop.mesh/ns/default/sa/reviews";

/** Authorities and identities of one run, made once. */
class Identities {
  readonly shop: TestCa;
  readonly other: TestCa;
  readonly web: KeyPair;
  readonly reviews: KeyPair;

  constructor(shop: TestCa, other: TestCa, pairs: { web: KeyPair; reviews: KeyPair }) {
    this.shop = shop;
    this.other = other;
    this.web = pairs.web;
    this.reviews = pairs.reviews;
  }

  static async create(): Promise<Identities> {
    const shop = await createTestCa({ trustDomain: "shop.mesh" });
    const other = await createTestCa({ trustDomain: "shop.mesh" });
    return new Identities(shop, other, { web: await shop.issue(WEB), reviews: await shop.issue(REVIEWS) });
  }

  server(change: Partial<TlsServerOptions> = {}): TlsServerOptions {
    return { keyPair: this.reviews, trustBundlePem: this.shop.trustBundlePem, alpn: ["http/1.1"], ...change };
  }

  client(change: Partial<TlsClientOptions> = {}): TlsClientOptions {
    const alpn = ["http/1.1"];
    return { keyPair: this.web, trustBundlePem: this.shop.trustBundlePem, alpn, serverName: null, ...change };
  }
}

/** Set `realTls` to false for a transport that foreign TLS clients cannot reach. */
export function testTransportTls({
  name,
  create,
  realTls = true,
}: TransportTableOptions & { realTls?: boolean }): void {
  let identities: Promise<Identities> | null = null;
  function fact(title: string, run: (bench: TransportBench, use: Identities) => Promise<void>): void {
    test(`${name} transport with TLS ${title}`, async () => {
      identities ??= Identities.create();
      const bench = new TransportBench(create(systemClock));
      try {
        await run(bench, await identities);
      } finally {
        await bench.close();
      }
    });
  }

  fact("shows each side the SPIFFE ID of the other", async (bench, use) => {
    const { caller, called } = await bench.openPair(use.server(), use.client());
    const protocol = "TLSv1.3";
    assert.deepEqual(caller.connection?.peer.tls, { spiffeId: REVIEWS_ID, alpn: "http/1.1", protocol });
    assert.deepEqual(called.connection?.peer.tls, { spiffeId: WEB_ID, alpn: "http/1.1", protocol });
  });

  fact("shows no SPIFFE ID for a certificate with none or two", async (bench, use) => {
    const none = await use.shop.issue({ ...WEB, uris: [] });
    const two = await use.shop.issue({ ...WEB, uris: [WEB_ID, REVIEWS_ID] });
    for (const keyPair of [none, two]) {
      const { called } = await bench.openPair(use.server(), use.client({ keyPair }));
      assert.equal(called.connection?.peer.tls?.spiffeId, null);
    }
  });

  fact("agrees on the server's first common protocol, or on none", async (bench, use) => {
    const table: readonly [readonly string[], readonly string[], string | null][] = [
      [["h2", "http/1.1"], ["http/1.1", "h2"], "h2"],
      [["http/1.1"], ["h2", "http/1.1"], "http/1.1"],
      [["h2"], [], null],
      [[], ["h2"], null],
    ];
    for (const [server, client, agreed] of table) {
      const { caller, called } = await bench.openPair(use.server({ alpn: server }), use.client({ alpn: client }));
      assert.equal(caller.connection?.peer.tls?.alpn, agreed);
      assert.equal(called.connection?.peer.tls?.alpn, agreed);
    }
  });

  fact("refuses a caller that speaks none of the protocols", async (bench, use) => {
    const { caller, called } = await refusal(bench, use.server({ alpn: ["h2"] }), use.client({ alpn: ["smtp"] }));
    assert.equal(called.failure?.kind, "tls");
    assert.equal(caller.failure?.kind, "tls");
    assert.deepEqual(caller.events, ["close"]);
  });

  fact("joins the writes of one callback into one record", async (bench, use) => {
    const { caller, called } = await bench.openPair(use.server(), use.client());
    called.react = (event, recorder) => {
      if (event !== "data") return;
      for (const letter of "abc") recorder.connection?.write(Buffer.from(letter));
    };
    caller.connection?.write(Buffer.from("?"));
    await caller.received(3);
    assert.equal(caller.chunks.length, 1);
  });

  fact("carries 10 MB with pauses and ends both ways, freeing what is sent", async (bench, use) => {
    const { caller, called } = await bench.openPair(use.server(), use.client());
    caller.connection?.ownWrites();
    const random = createSeededRandom(5);
    const body = Buffer.concat(Array.from({ length: 40 }, () => random.bytes(250_000)));
    let written = 0;
    const pump = (): void => {
      for (let goOn = true; goOn && written < body.length;) {
        // A copy: what is freed once it is sent.
        const bytes = Uint8Array.from(body.subarray(written, written + 1 + random.below(70_000)));
        written += bytes.length;
        goOn = caller.connection?.write(bytes) ?? false;
      }
      if (written === body.length) caller.connection?.end();
    };
    caller.react = (event) => {
      if (event === "drain") pump();
    };
    called.react = (event, recorder) => {
      if (event === "data" && recorder.chunks.length % 10 === 0) {
        recorder.connection?.pauseReads();
        queueMicrotask(() => recorder.connection?.resumeReads());
      }
      if (event !== "end") return;
      recorder.connection?.write(Buffer.from("done"));
      recorder.connection?.end();
    };
    pump();
    assert.equal(await caller.closed(), null);
    assert.equal(await called.closed(), null);
    assert.equal(digest(Buffer.concat(called.chunks)), digest(body));
    assert.equal(caller.text(), "done");
  });

  fact("stops the sender while reads are paused", async (bench, use) => {
    const { caller, called } = await bench.openPair(use.server(), use.client());
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
    assert.ok(written < total);
    assert.equal(called.receivedBytes, 0);
    called.connection?.resumeReads();
    await called.received(total);
  });

  fact("resets the peer when destroyed in the middle of a write", async (bench, use) => {
    const { caller, called } = await bench.openPair(use.server(), use.client());
    called.connection?.pauseReads();
    called.keep = false;
    const total = 24 * 1024 * 1024;
    caller.connection?.write(Buffer.alloc(total, 5));
    await bench.takeTurns(20);
    caller.connection?.destroy();
    assert.equal((await caller.closed())?.kind, "local");
    called.react = (event, recorder) => {
      if (event === "end") recorder.connection?.end();
    };
    called.connection?.resumeReads();
    await called.closed();
    assert.ok(called.receivedBytes < total);
  });

  fact("resets an idle peer when destroyed, from either side", async (bench, use) => {
    for (const side of ["caller", "called"] as const) {
      const pair = await bench.openPair(use.server(), use.client());
      // Idle for sure: a reset right behind other bytes can look like an end on Node.
      pair.caller.connection?.write(Buffer.from("?"));
      await pair.called.received(1);
      pair.called.connection?.write(Buffer.from("!"));
      await pair.caller.received(1);
      await bench.takeTurns(3);
      pair[side].connection?.destroy();
      assert.equal((await pair[side === "caller" ? "called" : "caller"].closed())?.kind, "reset");
    }
  });

  const untrusted: readonly [string, Partial<TestSvidRequest>, "shop" | "other"][] = [
    ["of another authority", {}, "other"],
    ["that has expired", { notAfterWallMs: 1_600_000_000_000 }, "shop"],
    ["that is not yet valid", { notBeforeWallMs: 4_000_000_000_000 }, "shop"],
  ];
  for (const [what, change, issuer] of untrusted) {
    fact(`refuses a caller's certificate ${what}`, async (bench, use) => {
      const keyPair = await use[issuer].issue({ ...WEB, ...change });
      const { caller, called } = await refusal(bench, use.server(), use.client({ keyPair }));
      assert.equal(called.failure?.kind, "tls", called.failure?.message);
      assert.deepEqual(called.events, ["close"]);
      // TLS 1.3 lets a caller finish before the server has seen its certificate.
      assert.ok(!caller.events.includes("data"));
    });

    fact(`refuses a server's certificate ${what}`, async (bench, use) => {
      const keyPair = await use[issuer].issue({ ...REVIEWS, ...change });
      const { caller, called } = await refusal(bench, use.server({ keyPair }), use.client());
      assert.equal(caller.failure?.kind, "tls", caller.failure?.message);
      assert.deepEqual(caller.events, ["close"]);
      assert.ok(!called.events.includes("data"));
    });
  }

  fact("refuses a plaintext caller", async (bench, use) => {
    const listening = await bench.listen(() => {}, use.server());
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller).write(Buffer.from("GET / HTTP/1.1\r\nhost: reviews\r\n\r\n"));
    const called = await listening.next();
    assert.equal((await called.closed())?.kind, "tls");
    assert.deepEqual(called.events, ["close"]);
    caller.react = (event, recorder) => {
      if (event === "end") recorder.connection?.end();
    };
    if (caller.events.includes("end")) caller.connection?.end();
    await caller.closed();
  });

  fact("fails a call to a plaintext listener that answers in plaintext", async (bench, use) => {
    const listening = await bench.listen((event, recorder) => {
      if (event === "data") recorder.connection?.write(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
      if (event === "end") recorder.connection?.end();
    });
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller, { tls: use.client() }).write(Buffer.from("secret"));
    assert.equal((await caller.closed())?.kind, "tls");
    assert.deepEqual(caller.events, ["close"]);
    const called = await listening.next();
    await called.closed();
    assert.ok(!called.text().includes("secret"));
  });

  fact("fails a call to a listener that hangs up instead of a handshake", async (bench, use) => {
    await bench.listen((event, recorder) => {
      if (event === "data") recorder.connection?.destroy();
    });
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller, { tls: use.client() });
    assert.equal((await caller.closed())?.kind, "tls");
  });

  test(`${name} transport with TLS gives up a handshake after timeoutMs`, async () => {
    identities ??= Identities.create();
    const clock = new FakeClock();
    const bench = new TransportBench(create(clock));
    try {
      const client = (await identities).client();
      const listening = await bench.listen();
      const caller = new ConnectionRecorder("caller");
      bench.connect(caller, { tls: client, timeoutMs: 30 });
      await (await listening.next()).received(1);
      clock.advance(30);
      const failure = await caller.closed();
      assert.equal(failure?.kind, "timeout");
      assert.match(failure?.message ?? "", /TLS handshake did not end within 30 ms/);
      assert.deepEqual(caller.events, ["close"]);
    } finally {
      await bench.close();
    }
  });

  fact("rejects a listener whose key belongs to another certificate", async (bench, use) => {
    const keyPair = { ...use.reviews, keyPem: use.web.keyPem };
    await assert.rejects(
      bench.listen(() => {}, use.server({ keyPair })),
      { code: "WEFT_TRANSPORT_IDENTITY" },
    );
  });

  fact("fails a call whose key belongs to another certificate", async (bench, use) => {
    await bench.listen(() => {}, use.server());
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller, { tls: use.client({ keyPair: { ...use.web, keyPem: use.reviews.keyPem } }) });
    assert.equal((await caller.closed())?.kind, "tls");
    assert.deepEqual(caller.events, ["close"]);
  });

  fact("uses a new identity after reloadTls and keeps what is open", async (bench, use) => {
    const { caller, called, listener } = await bench.openPair(use.server(), use.client());
    await listener.reloadTls(use.server({ keyPair: use.web }));
    const next = new ConnectionRecorder("next caller");
    bench.connect(next, { tls: use.client() });
    assert.equal((await next.opened()).peer.tls?.spiffeId, WEB_ID);
    caller.connection?.write(Buffer.from("still here"));
    await called.received(10);
  });

  fact("uses a new trust bundle after reloadTls", async (bench, use) => {
    const stranger = use.client({ keyPair: await use.other.issue(WEB) });
    const listening = await bench.listen(() => {}, use.server());
    const both = `${use.shop.trustBundlePem}\n${use.other.trustBundlePem}`;
    await listening.listener.reloadTls(use.server({ trustBundlePem: both }));
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller, { tls: stranger }).write(Buffer.from("hello"));
    const called = await listening.next();
    await called.received(5);
    await listening.listener.reloadTls(use.server());
    const late = new ConnectionRecorder("late caller", (event, recorder) => {
      if (event === "end") recorder.connection?.end();
    });
    bench.connect(late, { tls: stranger });
    await late.closed();
    assert.equal((await (await listening.next()).closed())?.kind, "tls");
  });

  fact("refuses to reload other protocols, or a key of another certificate", async (bench, use) => {
    const { listener } = await bench.openPair(use.server(), use.client());
    await assert.rejects(listener.reloadTls(use.server({ alpn: ["h2"] })), { code: "WEFT_TRANSPORT_RELOAD" });
    const keyPair = { ...use.reviews, keyPem: use.web.keyPem };
    await assert.rejects(listener.reloadTls(use.server({ keyPair })), { code: "WEFT_TRANSPORT_IDENTITY" });
    const caller = new ConnectionRecorder("caller");
    bench.connect(caller, { tls: use.client() });
    assert.equal((await caller.opened()).peer.tls?.spiffeId, REVIEWS_ID);
  });

  fact("accepts callers all through twenty reloads", async (bench, use) => {
    const listening = await bench.listen((event, recorder) => {
      if (event === "data") recorder.connection?.write(Buffer.from("."));
    }, use.server());
    for (let reload = 0; reload < 20; reload += 1) {
      const callers = Array.from({ length: 4 }, () => {
        const caller = new ConnectionRecorder("caller");
        bench.connect(caller, { tls: use.client() }).write(Buffer.from("?"));
        return caller;
      });
      // The callers are half way through connecting or their handshake.
      if (reload % 2 === 0) await callers[0]?.opened();
      await listening.listener.reloadTls(use.server({ keyPair: reload % 2 === 0 ? use.web : use.reviews }));
      for (const caller of callers) await caller.received(1);
    }
  });

  if (!realTls) return;

  fact("refuses a caller without a certificate", async (bench, use) => {
    const listening = await bench.listen(() => {}, use.server());
    const foreign = foreignClient(bench.port, { ca: use.shop.trustBundlePem });
    const called = await listening.next();
    assert.equal((await called.closed())?.kind, "tls");
    assert.deepEqual(called.events, ["close"]);
    await foreign.closed;
  });

  fact("refuses TLS 1.2", async (bench, use) => {
    const listening = await bench.listen(() => {}, use.server());
    const { keyPem: key, certificateChainPem: cert } = use.web;
    const foreign = foreignClient(bench.port, { key, cert, ca: use.shop.trustBundlePem, maxVersion: "TLSv1.2" });
    const called = await listening.next();
    assert.equal((await called.closed())?.kind, "tls");
    await foreign.closed;
  });

  fact("verifies the caller again instead of resuming its session", async (bench, use) => {
    const listening = await bench.listen((event, recorder) => {
      if (event === "open") recorder.connection?.write(Buffer.from("hi"));
    }, use.server());
    const { keyPem: key, certificateChainPem: cert } = use.web;
    const options = { key, cert, ca: use.shop.trustBundlePem };
    const sessions: Buffer[] = [];
    const first = foreignClient(bench.port, options);
    first.socket.on("session", (session) => sessions.push(session));
    await (await listening.next()).opened();
    await first.spoken;
    first.socket.destroy();
    // The second call offers whatever the first one was given; a server that gave nothing is as good.
    const session = sessions.at(-1) ?? first.socket.getSession();
    const second = foreignClient(bench.port, session === undefined ? options : { ...options, session });
    const called = await listening.next();
    const connection = await called.opened();
    assert.equal(connection.peer.tls?.spiffeId, WEB_ID);
    await second.spoken;
    assert.equal(second.socket.isSessionReused(), false);
    second.socket.destroy();
  });
}

async function refusal(
  bench: TransportBench,
  server: TlsServerOptions,
  client: TlsClientOptions,
): Promise<{ caller: ConnectionRecorder; called: ConnectionRecorder }> {
  const listening = await bench.listen(() => {}, server);
  const caller = new ConnectionRecorder("caller", (event, recorder) => {
    if (event === "end") recorder.connection?.end();
  });
  bench.connect(caller, { tls: client }).write(Buffer.from("must not arrive"));
  const called = await listening.next();
  await called.closed();
  await caller.closed();
  assert.equal(called.receivedBytes, 0);
  return { caller, called };
}

/** A TLS client that is none of ours. `spoken` = it received something. */
function foreignClient(
  port: number,
  options: ConnectionOptions,
): { socket: TLSSocket; closed: Promise<unknown>; spoken: Promise<unknown> } {
  const socket = connectTls({ host: "127.0.0.1", port, checkServerIdentity: () => undefined, ...options });
  socket.on("error", () => {});
  const closed = within("foreign client to close", new Promise((resolve) => socket.on("close", resolve)));
  const spoken = within("foreign client to hear", new Promise((resolve) => socket.on("data", resolve)));
  spoken.catch(() => {});
  closed.catch(() => {});
  return { socket, closed, spoken };
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

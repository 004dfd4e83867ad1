import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BODY_CHUNKED, type Head } from "../../src/proxy/head.ts";
import { CANCEL } from "../../src/proxy/http2/frame.ts";
import { toLocalHead } from "../../src/proxy/http2/local-head.ts";
import type { Random } from "../../src/random/random.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { buildHeaders, requestFields } from "../../src/testing/http2-frames.ts";
import { SessionLink } from "../../src/testing/session-link.ts";
import { type RecordedStream, SessionPeer } from "../../src/testing/session-peer.ts";
import { fuzzRuns, fuzzSeed } from "./fuzz-runs.ts";

const STEPS = 150;
const RUNS = Math.max(10, Math.round(fuzzRuns(15_000) / STEPS));

/** What one side has said on one stream, and whether it said all. */
interface Said {
  text: string;
  ended: boolean;
}

const request = makeRequest();
const trailers = toLocalHead(0, "x-sum: 1\r\n", 0);

function makeRequest(): Head {
  const peer = new SessionPeer();
  peer.receive(buildHeaders(1, requestFields("/", "POST")));
  const head = peer.streams.get(1)?.head.clone();
  if (head === undefined) throw new Error("The request was not taken");
  return head;
}

/** Random requests and answers between two sessions, and a model of what each side must have heard. */
class World {
  readonly #random: Random;
  readonly #link: SessionLink;
  readonly #said: { readonly client: Map<number, Said>; readonly server: Map<number, Said> };
  readonly #mostBytes: number;
  /** Streams that one side gave up, or that the server had no room for. */
  readonly #reset: Set<number> = new Set();

  constructor(random: Random) {
    this.#random = random;
    const streamWindowBytes = [1, 50, 3_000, 70_000][random.below(4)] ?? 1;
    this.#mostBytes = Math.min(60_000, streamWindowBytes * 100);
    this.#link = new SessionLink({
      streamWindowBytes,
      connectionWindowBytes: 65_535,
      maxHeldBytes: 65_535 + random.below(100_000),
      maxStreams: 1 + random.below(20),
      maxFrameBytes: 16_384,
      shedsHeld: false,
      controlBurst: 1_000_000,
      resetBurst: 1_000_000,
    });
    this.#said = { client: new Map(), server: new Map() };
    this.#link.server.onStream = (stream) => {
      if (random.below(3) === 0) this.#link.server.session.pauseStream(stream);
    };
    this.#link.settle();
  }

  step(): void {
    const random = this.#random;
    const { client, server } = this.#link;
    const turn = random.below(12);
    const side = random.below(2) === 0 ? "client" : "server";
    const peer = side === "client" ? client : server;
    if (turn < 2) this.#open();
    else if (turn < 5) this.#say(side, peer);
    else if (turn === 5) this.#withStream(peer, (stream) => peer.session.pauseStream(stream));
    else if (turn === 6) this.#withStream(peer, (stream) => peer.session.resumeStream(stream));
    else if (turn === 7 && random.below(4) === 0) this.#giveUp(peer);
    else this.#link.step(random.below(40_000), random.below(40_000));
  }

  /** Everybody goes on, everything is said and heard. */
  finish(): void {
    const { client, server } = this.#link;
    for (let round = 0; round < 3; round += 1) {
      for (const [side, peer] of [
        ["client", client],
        ["server", server],
      ] as const) {
        for (const stream of open(peer)) {
          peer.session.resumeStream(stream);
          if (stream.id === 0) continue;
          this.#begin(side, peer, stream);
          const said = this.#said[side].get(stream.id);
          if (said === undefined || said.ended || stream.id === 0) continue;
          said.ended = true;
          peer.session.sendEnd(stream, this.#random.below(2) === 0 ? trailers : null);
        }
      }
      this.#link.settle(() => 1 + this.#random.below(30_000));
    }
    this.check();
    for (const peer of [client, server])
      assert.equal(peer.session.activeStreams(), 0, peer === client ? "client" : "server");
    for (const [side, hears] of [
      ["client", server],
      ["server", client],
    ] as const) {
      for (const [id, said] of this.#said[side]) {
        if (this.#reset.has(id)) continue;
        assert.equal(hears.bodies.get(id) ?? "", said.text, `${side} said on ${id}`);
        const ends = hears.events.filter((event) => new RegExp(`^${id} (?:end|head .* end$)`).test(event));
        assert.equal(ends.length, 1, `${side} ended ${id}: ${ends.join()}`);
      }
    }
  }

  check(): void {
    const { client, server } = this.#link;
    for (const [side, hears] of [
      ["client", server],
      ["server", client],
    ] as const) {
      assert.equal(hears.ended, null, hears.ended?.message);
      for (const [id, text] of hears.bodies) {
        assert.ok((this.#said[side].get(id)?.text ?? "").startsWith(text), `what ${side} said on ${id}`);
      }
      assert.deepEqual(
        hears.events.filter((event) => event.startsWith("0 ")),
        [],
      );
    }
    for (const peer of [client, server]) {
      for (const event of peer.events) {
        const reset = /^(\d+) reset (.+)$/.exec(event);
        // A stream whose end waits behind what nobody takes still counts at the server.
        if (reset?.[2] === "REFUSED_STREAM" && peer === client) this.#reset.add(Number(reset[1]));
        if (reset !== null) assert.ok(this.#reset.has(Number(reset[1])), `${event}, and nobody gave it up`);
      }
    }
  }

  #open(): void {
    const { client } = this.#link;
    if (!client.session.canOpen()) return;
    const ends = this.#random.below(4) === 0;
    const stream = client.open(request, ends);
    this.#said.client.set(stream.id === 0 ? -1 : stream.id, { text: "", ended: ends });
  }

  #say(side: "client" | "server", peer: SessionPeer): void {
    this.#withStream(peer, (stream) => {
      this.#begin(side, peer, stream);
      const said = this.#said[side].get(stream.id);
      if (said === undefined || said.ended) return;
      const random = this.#random;
      const text = String.fromCharCode(97 + random.below(26)).repeat(
        random.below(random.below(8) === 0 ? this.#mostBytes : 100),
      );
      said.text += text;
      said.ended = random.below(4) === 0;
      const withTrailers = said.ended && random.below(2) === 0;
      peer.session.sendData(stream, Buffer.from(text, "latin1"), said.ended && !withTrailers);
      if (withTrailers) peer.session.sendEnd(stream, trailers);
    });
  }

  /** The server's head, before anything else. */
  #begin(side: "client" | "server", peer: SessionPeer, stream: RecordedStream): void {
    if (side === "client" || this.#said.server.has(stream.id)) return;
    const head = toLocalHead(200, "", 0);
    head.bodyKind = BODY_CHUNKED;
    this.#said.server.set(stream.id, { text: "", ended: false });
    if (this.#random.below(5) === 0) peer.session.sendResponse(stream, toLocalHead(103, "link: x\r\n", 0), false);
    peer.session.sendResponse(stream, head, false);
  }

  #giveUp(peer: SessionPeer): void {
    this.#withStream(peer, (stream) => {
      this.#reset.add(stream.id);
      peer.session.sendReset(stream, CANCEL);
    });
  }

  #withStream(peer: SessionPeer, use: (stream: RecordedStream) => void): void {
    const streams = open(peer);
    const stream = streams[this.#random.below(Math.max(1, streams.length))];
    if (stream !== undefined) use(stream);
  }
}

function open(peer: SessionPeer): RecordedStream[] {
  return [...new Set(peer.streams.values())].filter((stream) => stream.id !== 0);
}

test(`two sessions deliver what was said, to whom it was said, and nothing else (${RUNS} runs of ${STEPS} steps)`, () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const world = new World(createSeededRandom(seed));
      for (let step = 0; step < STEPS; step += 1) world.step();
      world.check();
      world.finish();
    }),
    { numRuns: RUNS, seed: fuzzSeed(), endOnFailure: true },
  );
});

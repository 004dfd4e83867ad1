import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EDGE_LIMITS } from "../../src/proxy/http2/session-contract.ts";
import type { Random } from "../../src/random/random.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { SessionPeer } from "../../src/testing/session-peer.ts";
import { fuzzRuns, fuzzSeed } from "./fuzz-runs.ts";
import { generateConnection } from "./http2-bytes.ts";

const FRAMES_PER_CONNECTION = 40;
const FRAMES = fuzzRuns(20_000);

/** A server that answers some requests at once, some in pieces, some never. What it does depends on the stream's id only. */
function createServer(): SessionPeer {
  const peer = new SessionPeer({ greets: false, limits: { maxStreams: 20 } });
  peer.onStream = (stream) => {
    const turn = (stream.id >> 1) % 5;
    if (turn === 0) peer.respond(stream, "", 204);
    else if (turn === 1) peer.respond(stream, `answer to ${stream.id}`);
    else if (turn === 2) peer.respond(stream, "x".repeat(30_000));
    else if (turn === 3 && stream.id % 3 === 0) peer.session.sendReset(stream, 8);
  };
  return peer;
}

/** Events with the data of one stream that follows itself put together. */
function toStory(peer: SessionPeer): string[] {
  const story: string[] = [];
  for (const event of peer.events) {
    const data = /^(\d+ data) (\d+)$/.exec(event);
    const last = data === null ? null : /^(\d+ data) (\d+)$/.exec(story.at(-1) ?? "");
    if (data !== null && last?.[1] === data[1]) {
      story[story.length - 1] = `${data[1]} ${Number(last?.[2]) + Number(data[2])}`;
    } else story.push(event);
  }
  return story;
}

function deliver(peer: SessionPeer, bytes: Uint8Array, cut: () => number): void {
  for (let at = 0; at < bytes.length;) {
    const size = cut();
    peer.session.receive(Uint8Array.from(bytes.subarray(at, at + size)));
    at += size;
  }
}

function check(peer: SessionPeer): void {
  const open = [...new Set(peer.streams.values())].filter((stream) => stream.id !== 0);
  assert.equal(open.length, peer.session.activeStreams());
  assert.ok(open.length <= EDGE_LIMITS.maxStreams);
  assert.deepEqual(
    peer.events.filter((event) => event.startsWith("0 ")),
    [],
    "events of streams that are no more",
  );
  if (!peer.session.isOver()) return;
  assert.equal(open.length, 0);
  assert.match(peer.sent.at(-1) ?? "", /^GOAWAY /);
  assert.equal(peer.ended?.local, true);
}

function property(run: (random: Random) => void): void {
  const runs = Math.ceil(FRAMES / FRAMES_PER_CONNECTION / 2);
  fc.assert(
    fc.property(fc.integer(), (seed) => run(createSeededRandom(seed))),
    { numRuns: runs, seed: fuzzSeed(), endOnFailure: true },
  );
}

test(`Http2Session tells the same of the same bytes however they are cut (${FRAMES / 2} frames)`, () => {
  property((random) => {
    const { bytes } = generateConnection(random, FRAMES_PER_CONNECTION, [0, 2, 10][random.below(3)] ?? 0);
    const whole = createServer();
    whole.session.receive(Uint8Array.from(bytes));
    check(whole);
    for (const most of [1, 7, 400]) {
      const cut = createServer();
      deliver(cut, bytes, () => 1 + random.below(most));
      check(cut);
      assert.deepEqual(toStory(cut), toStory(whole));
      assert.deepEqual([...cut.bodies], [...whole.bodies]);
      // Window comes back as data is passed on, so when and how much follows the cuts.
      const said = (peer: SessionPeer): string[] => peer.sent.filter((text) => !text.startsWith("WINDOW_UPDATE"));
      assert.deepEqual(said(cut), said(whole));
      assert.deepEqual(cut.ended, whole.ended);
    }
  });
});

test(`Http2Session ends in GOAWAY or goes on, whatever comes, and keeps nothing (${FRAMES / 2} frames)`, () => {
  property((random) => {
    const { bytes } = generateConnection(random, FRAMES_PER_CONNECTION, [5, 20, 60][random.below(3)] ?? 5);
    const peer = createServer();
    deliver(peer, bytes, () => 1 + random.below(3_000));
    check(peer);
    peer.session.abandon(0);
    assert.equal(peer.session.activeStreams(), 0);
    assert.equal([...peer.streams.values()].filter((stream) => stream.held.bytes + stream.pendingBytes > 0).length, 0);
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { envoy } from "#gen/protos.js";
import { DeltaState } from "./delta-state.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE } from "./names.ts";
import { decodeRejections } from "./rejections.ts";

type Response = envoy.service.discovery.v3.DeltaDiscoveryResponse;

function resource(name: string, version: string, typeUrl = ENDPOINT_TYPE): envoy.service.discovery.v3.Resource {
  return { name, version, resource: { typeUrl, value: Buffer.from(`${name}@${version}`) } };
}

function respond(fields: Response): Response {
  return { typeUrl: ENDPOINT_TYPE, nonce: "n", ...fields };
}

function createEds(...names: readonly string[]): DeltaState {
  const state = new DeltaState(ENDPOINT_TYPE, { wildcard: false });
  state.subscribe(names);
  return state;
}

/** What `response` changes, e.g. ["a@1", "-b"]; asserts that it is taken. */
function receive(state: DeltaState, response: Response): readonly string[] {
  const received = state.receive(response);
  assert.ok("update" in received);
  const { upserts, removed } = received.update;
  return [...upserts.map(({ bytes }) => Buffer.from(bytes).toString()), ...removed.map((name) => `-${name}`)];
}

function accept(state: DeltaState, response: Response): void {
  receive(state, response);
  state.answer([]);
}

test("DeltaState asks for everything with a first request without names", () => {
  const state = new DeltaState(CLUSTER_TYPE, { wildcard: true });
  const request = state.takeRequest();
  assert.deepEqual(request, { typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: [], initialResourceVersions: {} });
  assert.equal(state.takeRequest(), null);
  assert.throws(() => state.subscribe(["a"]), /everything is subscribed/);
});

test("DeltaState sends no first request for names while there are none: some servers would take it for everything", () => {
  const state = createEds();
  assert.equal(state.takeRequest(), null);
  state.subscribe(["a"]);
  assert.deepEqual(state.takeRequest()?.resourceNamesSubscribe, ["a"]);
});

test("DeltaState tells only what changed since, once", () => {
  const state = createEds("a", "b");
  state.takeRequest();
  state.subscribe(["b", "c"]);
  const request = state.takeRequest();
  assert.deepEqual(request, { typeUrl: ENDPOINT_TYPE, resourceNamesSubscribe: ["c"], resourceNamesUnsubscribe: ["a"] });
  assert.equal(state.takeRequest(), null);
});

test("DeltaState asks again for a name that it dropped and wants again, though the server never heard of it", () => {
  const state = createEds("a", "b");
  state.takeRequest();
  accept(state, respond({ resources: [resource("a", "1"), resource("b", "1")] }));
  state.subscribe(["b"]);
  state.subscribe(["a", "b"]);
  assert.deepEqual([...state.held().keys()], ["b"]);
  assert.deepEqual(state.takeRequest()?.resourceNamesSubscribe, ["a"]);
});

test("DeltaState acknowledges with the nonce and no error, and holds what was accepted", () => {
  const state = createEds("a");
  state.takeRequest();
  assert.deepEqual(receive(state, respond({ nonce: "n7", resources: [resource("a", "1")] })), ["a@1"]);
  assert.equal(state.held().size, 0);
  assert.deepEqual(state.answer([]), { typeUrl: ENDPOINT_TYPE, responseNonce: "n7" });
  assert.deepEqual([...state.held()], [["a", "1"]]);
  assert.throws(() => state.answer([]), /no response/);
});

test("DeltaState accepts the good resources of a response and names the bad ones", () => {
  const state = createEds("a", "b");
  state.takeRequest();
  accept(state, respond({ resources: [resource("b", "1")] }));
  receive(state, respond({ resources: [resource("a", "2"), resource("b", "2")] }));
  const answer = state.answer([{ name: "b", reason: "port 0" }]);
  assert.ok(answer.errorDetail);
  assert.deepEqual(decodeRejections(answer.errorDetail, ["a", "b"]), [{ name: "b", reason: "port 0" }]);
  assert.equal(answer.errorDetail.message, "rejected 1 of 2 resources: b: port 0");
  assert.deepEqual([...state.held()].toSorted(), [
    ["a", "2"],
    ["b", "1"],
  ]);
});

test("DeltaState puts subscription changes on the answer to the response that caused them", () => {
  const state = createEds("a");
  state.takeRequest();
  receive(state, respond({ resources: [resource("a", "1")] }));
  state.subscribe(["b"]);
  const answer = state.answer([]);
  assert.deepEqual(answer.resourceNamesSubscribe, ["b"]);
  assert.deepEqual(answer.resourceNamesUnsubscribe, ["a"]);
  assert.equal(state.held().has("a"), false);
  assert.equal(state.takeRequest(), null);
});

test("DeltaState resumes a new stream with its names and the versions that it holds, refused ones not among them", () => {
  const state = createEds("a", "b", "c");
  state.takeRequest();
  accept(state, respond({ resources: [resource("a", "1")] }));
  receive(state, respond({ resources: [resource("a", "2"), resource("b", "2")] }));
  state.answer([{ name: "b", reason: "no" }]);
  state.reset();
  const request = state.takeRequest();
  assert.deepEqual(request?.resourceNamesSubscribe, ["a", "b", "c"]);
  assert.deepEqual(request?.initialResourceVersions, { a: "2" });
});

test("DeltaState starts with the versions it is given, as far as it wants them", () => {
  const state = new DeltaState(ENDPOINT_TYPE, {
    wildcard: false,
    held: new Map([
      ["a", "1"],
      ["z", "9"],
    ]),
  });
  state.subscribe(["a"]);
  assert.deepEqual(state.takeRequest()?.initialResourceVersions, { a: "1" });
});

test("DeltaState reports removed names that it held or asked for, and ignores unknown ones", () => {
  const state = createEds("a", "b");
  state.takeRequest();
  accept(state, respond({ resources: [resource("a", "1")] }));
  assert.deepEqual(receive(state, respond({ removedResources: ["a", "b", "stranger"] })), ["-a", "-b"]);
  state.answer([]);
  assert.equal(state.held().size, 0);
  assert.equal(state.takeRequest(), null, "the subscription stays, so nothing is asked again");
  assert.deepEqual(receive(state, respond({ resources: [resource("a", "3")] })), ["a@3"]);
});

test("DeltaState leaves out resources that nobody asked for, and heartbeats without content", () => {
  const state = createEds("a", "b");
  state.takeRequest();
  accept(state, respond({ resources: [resource("b", "1")] }));
  assert.deepEqual(receive(state, respond({ resources: [resource("late", "1"), { name: "b", version: "1" }] })), []);
  state.answer([]);
  assert.deepEqual([...state.held()], [["b", "1"]]);
});

const REFUSED: readonly (readonly [string, Response, RegExp])[] = [
  [
    "two resources of one name",
    { resources: [resource("a", "1"), resource("a", "2")] },
    /"a" is in the response twice/,
  ],
  ["a resource without a name", { resources: [resource("", "1")] }, /has no name/],
  [
    "a resource of another type",
    { resources: [resource("a", "1", CLUSTER_TYPE)] },
    /"a" is a .*Cluster; expected .*ClusterLoadAssignment/,
  ],
  [
    "a name both sent and removed",
    { resources: [resource("a", "1")], removedResources: ["a"] },
    /"a" is both sent and removed/,
  ],
];

for (const [what, response, message] of REFUSED) {
  test(`DeltaState refuses a response with ${what} as a whole`, () => {
    const state = createEds("a");
    state.takeRequest();
    const received = state.receive(respond({ nonce: "n9", ...response }));
    assert.ok("refusal" in received);
    assert.equal(received.refusal.responseNonce, "n9");
    assert.match(received.refusal.errorDetail?.message ?? "", message);
    assert.equal(state.held().size, 0);
  });
}

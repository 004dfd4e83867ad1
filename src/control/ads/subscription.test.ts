import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestCluster, createTestEndpoints } from "../../testing/memory-config-source.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE } from "../../xds/names.ts";
import { encodeRejections } from "../../xds/rejections.ts";
import type { EncodedResource, ResourcesByName } from "../config-source.ts";
import { Subscription, type SubscriptionRequest } from "./subscription.ts";

const A1 = createTestEndpoints("a", ["10.0.0.1"]);
const A2 = createTestEndpoints("a", ["10.0.0.2"]);
const B1 = createTestEndpoints("b", ["10.0.0.3"]);

function view(...resources: readonly EncodedResource[]): ResourcesByName {
  return new Map(resources.map((resource) => [resource.name, resource]));
}

function request(fields: Partial<SubscriptionRequest> = {}): SubscriptionRequest {
  return { subscribe: [], unsubscribe: [], initialVersions: new Map(), nonce: "", error: null, ...fields };
}

function createEds(first: Partial<SubscriptionRequest>): Subscription {
  const subscription = new Subscription(ENDPOINT_TYPE, { allowsLegacyWildcard: false });
  subscription.onRequest(request(first));
  return subscription;
}

function createCds(first: Partial<SubscriptionRequest> = {}): Subscription {
  const subscription = new Subscription(CLUSTER_TYPE, { allowsLegacyWildcard: true });
  subscription.onRequest(request(first));
  return subscription;
}

/** Names of upserts, and of removals with a minus. */
function owed(subscription: Subscription, resources: ResourcesByName): readonly string[] {
  const { upserts, removals } = subscription.owed(resources);
  return [...upserts.map(({ name }) => name), ...removals.map((name) => `-${name}`)];
}

let nonces = 0;

/** Sends all that is owed and returns the nonce. */
function send(subscription: Subscription, resources: ResourcesByName): string {
  nonces += 1;
  subscription.send(`n${nonces}`, subscription.owed(resources));
  return `n${nonces}`;
}

function deliver(subscription: Subscription, resources: ResourcesByName): void {
  assert.equal(subscription.onRequest(request({ nonce: send(subscription, resources) })), "ack");
}

test("trap 1: Subscription honours subscription changes that ride on a stale nonce, and takes it for no ACK", () => {
  const subscription = createEds({ subscribe: ["a"] });
  send(subscription, view(A1));
  const outcome = subscription.onRequest(request({ nonce: "older", subscribe: ["b"], unsubscribe: ["a"] }));
  assert.equal(outcome, "stale");
  assert.equal(subscription.isInFlight(), true);
  assert.deepEqual(owed(subscription, view(A1, B1)), ["b"]);
});

test("trap 1: Subscription honours subscription changes that ride on a NACK", () => {
  const subscription = createEds({ subscribe: ["a"] });
  const nonce = send(subscription, view(A1));
  const error = encodeRejections([{ name: "a", reason: "no" }], 1);
  assert.equal(subscription.onRequest(request({ nonce, error, subscribe: ["b"] })), "nack");
  assert.deepEqual(owed(subscription, view(A1, B1)), ["b"]);
});

test("trap 2: Subscription does not send a rejected version again, only a changed one", () => {
  const subscription = createEds({ subscribe: ["a"] });
  deliver(subscription, view(A1));
  const nonce = send(subscription, view(A2));
  const error = encodeRejections([{ name: "a", reason: "port out of range" }], 1);
  assert.equal(subscription.onRequest(request({ nonce, error })), "nack");
  assert.deepEqual(owed(subscription, view(A2)), []);
  assert.deepEqual(subscription.rejections(), [{ name: "a", reason: "port out of range" }]);
  assert.equal(subscription.inForce().get("a")?.version, A1.version);
  // Going back to the version in force is a change too: the proxy was last told the bad one.
  assert.deepEqual(owed(subscription, view(A1)), ["a"]);
  deliver(subscription, view(A1));
  assert.deepEqual(subscription.rejections(), []);
});

test("trap 3: Subscription answers a name that does not exist in removals, once, and pushes it when it appears", () => {
  const subscription = createEds({ subscribe: ["a"] });
  assert.deepEqual(owed(subscription, view()), ["-a"]);
  deliver(subscription, view());
  assert.deepEqual(owed(subscription, view()), []);
  assert.deepEqual(owed(subscription, view(A1)), ["a"]);
});

test("trap 4: Subscription takes initial_resource_versions for no subscription", () => {
  const subscription = createEds({
    subscribe: ["b"],
    initialVersions: new Map([
      ["a", A1.version],
      ["b", B1.version],
    ]),
  });
  assert.deepEqual(owed(subscription, view(A2, B1)), []);
  assert.deepEqual([...subscription.inForce().keys()], ["b"]);
});

test("trap 4: Subscription sends what differs from initial_resource_versions, and removes what is gone", () => {
  const held = new Map([
    ["a", A1.version],
    ["b", B1.version],
    ["c", "old"],
  ]);
  const subscription = createEds({ subscribe: ["a", "b", "c"], initialVersions: held });
  assert.deepEqual(owed(subscription, view(A2, B1)), ["a", "-c"]);
});

test("trap 4: Subscription ignores initial_resource_versions after the first request of the type", () => {
  const subscription = createEds({ subscribe: ["b"] });
  deliver(subscription, view(B1));
  subscription.onRequest(request({ subscribe: ["a"], initialVersions: new Map([["a", A1.version]]) }));
  assert.deepEqual(owed(subscription, view(A1, B1)), ["a"]);
});

test("trap 5: Subscription answers a re-subscribed name at the same version, once", () => {
  const subscription = createEds({ subscribe: ["a", "b"] });
  deliver(subscription, view(A1, B1));
  subscription.onRequest(request({ subscribe: ["a"] }));
  assert.deepEqual(owed(subscription, view(A1, B1)), ["a"]);
  deliver(subscription, view(A1, B1));
  assert.deepEqual(owed(subscription, view(A1, B1)), []);
});

test("trap 5: Subscription answers a re-subscribed name that still does not exist", () => {
  const subscription = createEds({ subscribe: ["a"] });
  deliver(subscription, view());
  subscription.onRequest(request({ subscribe: ["a"] }));
  assert.deepEqual(owed(subscription, view()), ["-a"]);
  deliver(subscription, view());
  assert.deepEqual(owed(subscription, view()), []);
});

test("trap 5: Subscription answers a name that was dropped and asked for again while its response was in flight", () => {
  const subscription = createEds({ subscribe: ["a"] });
  const nonce = send(subscription, view(A1));
  subscription.onRequest(request({ unsubscribe: ["a"] }));
  subscription.onRequest(request({ subscribe: ["a"] }));
  subscription.onRequest(request({ nonce }));
  assert.equal(subscription.isRunning("a"), false);
  assert.deepEqual(owed(subscription, view(A1)), ["a"]);
});

test("Subscription takes a first request without names for everything, where the type allows it", () => {
  assert.deepEqual(owed(createCds(), view(createTestCluster("a"), createTestCluster("b"))), ["a", "b"]);
  assert.deepEqual(owed(createEds({}), view(A1)), []);
  assert.equal(createEds({}).owesFirst(), false);
});

test("Subscription takes * for everything, of any type, beside names", () => {
  const subscription = createEds({ subscribe: ["*", "c"] });
  assert.deepEqual(owed(subscription, view(A1, B1)), ["a", "b", "-c"]);
});

test("Subscription owes a wildcard its first response even when there is nothing to send", () => {
  const subscription = createCds();
  assert.equal(subscription.owesFirst(), true);
  deliver(subscription, view());
  assert.equal(subscription.owesFirst(), false);
});

test("Subscription keeps a wildcard when names are added to it later", () => {
  const a = createTestCluster("a");
  const b = createTestCluster("b");
  const subscription = createCds();
  deliver(subscription, view(a));
  subscription.onRequest(request({ subscribe: ["a"] }));
  assert.deepEqual(owed(subscription, view(a, b)), ["a", "b"]);
});

test("Subscription without a wildcard and without names is interested in nothing", () => {
  const subscription = createEds({ subscribe: ["a"] });
  deliver(subscription, view(A1));
  subscription.onRequest(request({ unsubscribe: ["a"] }));
  assert.deepEqual(owed(subscription, view(A2, B1)), []);
  assert.equal(subscription.inForce().size, 0);
});

test("Subscription takes unsubscribing what was never subscribed for nothing", () => {
  const subscription = createEds({ subscribe: ["a"] });
  deliver(subscription, view(A1));
  subscription.onRequest(request({ unsubscribe: ["b", "*"] }));
  assert.deepEqual(owed(subscription, view(A1, B1)), []);
  const wildcard = createCds();
  deliver(wildcard, view(A1, B1));
  wildcard.onRequest(request({ unsubscribe: ["a"] }));
  assert.deepEqual(owed(wildcard, view(A1, B1)), []);
});

test("Subscription tells the state of a name that is unsubscribed while a wildcard goes on", () => {
  const subscription = createEds({ subscribe: ["*", "a", "c"] });
  deliver(subscription, view(A1, B1));
  subscription.onRequest(request({ unsubscribe: ["a", "c"] }));
  assert.deepEqual(owed(subscription, view(A1, B1)), ["a", "-c"]);
  deliver(subscription, view(A1, B1));
  assert.deepEqual(owed(subscription, view(A1, B1)), []);
});

test("Subscription goes on with its names when * is unsubscribed", () => {
  const subscription = createEds({ subscribe: ["*", "a"] });
  deliver(subscription, view(A1, B1));
  subscription.onRequest(request({ unsubscribe: ["*"] }));
  assert.deepEqual(owed(subscription, view(A2)), ["a"]);
  assert.deepEqual([...subscription.inForce().keys()], ["a"]);
});

test("Subscription removes what a wildcard no longer matches, once", () => {
  const subscription = createEds({ subscribe: ["*"] });
  deliver(subscription, view(A1, B1));
  assert.deepEqual(owed(subscription, view(B1)), ["-a"]);
  deliver(subscription, view(B1));
  assert.deepEqual(owed(subscription, view(B1)), []);
});

test("Subscription owes the latest version after a burst of changes during a response in flight", () => {
  const subscription = createEds({ subscribe: ["a"] });
  const nonce = send(subscription, view(A1));
  assert.throws(() => subscription.send("x", subscription.owed(view(A2))), /in flight already/);
  subscription.onRequest(request({ nonce }));
  assert.deepEqual(subscription.owed(view(A2)).upserts, [A2]);
});

test("Subscription takes for rejected only what our own NACK names", () => {
  const subscription = createEds({ subscribe: ["a", "ab"] });
  const both = view(A1, createTestEndpoints("ab"));
  const nonce = send(subscription, both);
  subscription.onRequest(request({ nonce, error: encodeRejections([{ name: "ab", reason: "no" }], 2) }));
  assert.deepEqual([...subscription.inForce().keys()], ["a"]);
  assert.deepEqual(subscription.rejections(), [{ name: "ab", reason: "no" }]);
});

test("Subscription takes for rejected what an Envoy NACK names in its message, and all when it names none", () => {
  const subscription = createEds({ subscribe: ["outbound", "b"] });
  const both = view(createTestEndpoints("outbound"), B1);
  const message = "Error adding/updating cluster(s) outbound: it is wrong";
  subscription.onRequest(request({ nonce: send(subscription, both), error: { code: 13, message } }));
  assert.deepEqual(subscription.rejections(), [{ name: "outbound", reason: message }]);

  const other = createEds({ subscribe: ["x1", "x2"] });
  const nonce = send(other, view(createTestEndpoints("x1"), createTestEndpoints("x2")));
  other.onRequest(request({ nonce, error: { code: 13, message: "nope" } }));
  assert.deepEqual(
    other.rejections().map(({ name }) => name),
    ["x1", "x2"],
  );
});

test("Subscription shows a rejection until the resource is accepted in another version, gone or unsubscribed", () => {
  const reject = (): Subscription => {
    const subscription = createEds({ subscribe: ["a", "b"] });
    const nonce = send(subscription, view(A1, B1));
    subscription.onRequest(request({ nonce, error: encodeRejections([{ name: "a", reason: "no" }], 2) }));
    return subscription;
  };
  const other = reject();
  deliver(other, view(A1, createTestEndpoints("b", ["10.0.0.9"])));
  assert.equal(other.rejections().length, 1);
  const accepted = reject();
  deliver(accepted, view(A2, B1));
  assert.equal(accepted.rejections().length, 0);
  const gone = reject();
  deliver(gone, view(B1));
  assert.equal(gone.rejections().length, 0);
  const unsubscribed = reject();
  unsubscribed.onRequest(request({ unsubscribe: ["a"] }));
  assert.equal(unsubscribed.rejections().length, 0);
});

test("Subscription keeps a removed resource in force until the removal is answered, but does not count on it", () => {
  const subscription = createEds({ subscribe: ["*"] });
  deliver(subscription, view(A1));
  const nonce = send(subscription, view());
  assert.equal(subscription.inForce().has("a"), true);
  assert.equal(subscription.isRunning("a"), false);
  subscription.onRequest(request({ nonce }));
  assert.equal(subscription.inForce().has("a"), false);
});

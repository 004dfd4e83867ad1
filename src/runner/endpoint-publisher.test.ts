import assert from "node:assert/strict";
import { test } from "node:test";
import type { Resource } from "../resources/resource.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { EndpointPublisher } from "./endpoint-publisher.ts";
import { toEndpointSlices } from "./endpoint-slices.ts";

interface Write {
  readonly ready: boolean;
  readonly name: string;
  readonly succeed: () => void;
  readonly fail: () => void;
}

function createWorld() {
  const clock = new FakeClock();
  const writes: Write[] = [];
  const said: string[] = [];
  const publisher = new EndpointPublisher({
    clock,
    apply: (slice) =>
      new Promise<void>((resolve, reject) => {
        const { name } = slice.metadata;
        const ready =
          (slice["endpoints"] as readonly { conditions: { ready: boolean } }[])[0]?.conditions.ready ?? false;
        writes.push({ name, ready, succeed: resolve, fail: () => reject(new Error("refused")) });
      }),
    onFailing: () => said.push("failing"),
    onRecovered: () => said.push("recovered"),
    onIdle: () => said.push("idle"),
  });
  return { clock, writes, said, publisher };
}

function slices(ready: boolean, version = ""): readonly Resource[] {
  return toEndpointSlices({
    namespace: "default",
    workload: "web-0",
    service: "web",
    version,
    serviceAccount: "web",
    protocol: "http",
    address: "127.0.0.1",
    port: 30_000,
    portName: "",
    zone: "",
    ready,
    terminating: false,
  });
}

test("toEndpointSlices() makes a slice for the Service and one for the version's own", () => {
  const [first, second] = slices(true, "v1");
  assert.equal(first?.metadata.name, "web.web-0");
  assert.deepEqual(first.metadata.labels, {
    "kubernetes.io/service-name": "web",
    "weft.dev/service-account": "web",
    "weft.dev/workload": "web-0",
    "weft.dev/version": "v1",
    "weft.dev/managed-by": "weft",
  });
  assert.deepEqual(first["ports"], [{ name: "", port: 30_000, protocol: "TCP", appProtocol: "http" }]);
  assert.equal(second?.metadata.name, "web-v1.web-0");
  assert.equal(second.metadata.labels?.["kubernetes.io/service-name"], "web-v1");
});

test("EndpointPublisher writes a state that changed meanwhile after the one under way, and only the newest", async () => {
  const { clock, writes, publisher, said } = createWorld();
  publisher.publish(slices(true));
  publisher.publish(slices(false));
  publisher.publish(slices(true));
  publisher.publish(slices(false));
  assert.deepEqual(
    writes.map((write) => write.ready),
    [true],
  );
  writes[0]?.succeed();
  await clock.runUntilIdle();
  assert.deepEqual(
    writes.map((write) => write.ready),
    [true, false],
  );
  assert.equal(publisher.isIdle(), false);
  writes[1]?.succeed();
  await clock.runUntilIdle();
  assert.equal(publisher.isIdle(), true);
  assert.deepEqual(said, ["idle"]);
  publisher.close();
});

test("EndpointPublisher tries again while the control plane is away and says so once", async () => {
  const { clock, writes, publisher, said } = createWorld();
  publisher.publish(slices(true));
  for (let i = 0; i < 5; i += 1) {
    writes.at(-1)?.fail();
    await clock.elapse(1000);
  }
  assert.equal(writes.length, 6);
  assert.deepEqual(said, ["failing"]);
  publisher.publish(slices(false));
  writes.at(-1)?.succeed();
  await clock.runUntilIdle();
  writes.at(-1)?.succeed();
  await clock.runUntilIdle();
  assert.equal(writes.at(-1)?.ready, false);
  assert.deepEqual(said, ["failing", "recovered", "idle"]);
  publisher.close();
});

test("EndpointPublisher.retryNow() does not wait for the next try", async () => {
  const { clock, writes, publisher } = createWorld();
  publisher.publish(slices(true));
  writes[0]?.fail();
  await clock.runUntilIdle();
  assert.equal(writes.length, 1);
  publisher.retryNow();
  assert.equal(writes.length, 2);
  publisher.close();
});

test("EndpointPublisher.settle() resolves when all is written, or at its limit", async () => {
  const { clock, writes, publisher } = createWorld();
  publisher.publish(slices(true));
  let settled = 0;
  void publisher.settle(1000).then(() => (settled += 1));
  await clock.elapse(999);
  assert.equal(settled, 0);
  await clock.elapse(1);
  assert.equal(settled, 1);
  void publisher.settle(1000).then(() => (settled += 1));
  writes[0]?.succeed();
  await clock.runUntilIdle();
  assert.equal(settled, 2);
  publisher.close();
});

test("EndpointPublisher writes everything again from time to time, and nothing after close()", async () => {
  const { clock, writes, publisher } = createWorld();
  publisher.publish(slices(true));
  writes[0]?.succeed();
  await clock.elapse(10_000);
  assert.equal(writes.length, 2);
  writes[1]?.succeed();
  publisher.close();
  publisher.publish(slices(false));
  await clock.elapse(60_000);
  assert.equal(writes.length, 2);
  assert.equal(clock.pendingTimers(), 0);
});

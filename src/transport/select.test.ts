import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { findBun } from "./bun-api.ts";
import { selectTransport } from "./select.ts";

test("selectTransport() gives the transport of the runtime it runs on", async () => {
  const { name } = await selectTransport(new FakeClock());
  assert.equal(name, findBun() === null ? "node" : "bun");
});

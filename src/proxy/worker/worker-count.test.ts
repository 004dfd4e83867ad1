import assert from "node:assert/strict";
import { test } from "node:test";
import { countWorkers } from "./worker-count.ts";

test("countWorkers() takes a number as it is, and 1 when there is none", () => {
  assert.equal(countWorkers({ role: "sidecar", workers: 7 }, 2), 7);
  assert.equal(countWorkers({ role: "ingress" }, 64), 1);
});

test("countWorkers() gives a sidecar half of the cores, 1 to 4, and an ingress all, at most 16", () => {
  const sidecar = [1, 2, 3, 4, 8, 64].map((cores) => countWorkers({ role: "sidecar", workers: "auto" }, cores));
  const ingress = [1, 2, 3, 4, 8, 64].map((cores) => countWorkers({ role: "ingress", workers: "auto" }, cores));
  assert.deepEqual(sidecar, [1, 1, 1, 2, 4, 4]);
  assert.deepEqual(ingress, [1, 2, 3, 4, 8, 16]);
});

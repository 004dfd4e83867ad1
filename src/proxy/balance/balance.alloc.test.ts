import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Room for what the runtime itself does in the background (feedback, one timer): not for an object per pick. */
const BUDGET_BYTES = 1;

test(
  "Balancer.pick() and observe() allocate nothing",
  { skip: "bun" in process.versions ? "V8 only: JavaScriptCore gives no heap reading of this precision" : false },
  () => {
    const run = spawnSync(
      process.execPath,
      [
        "--expose-gc",
        "--min-semi-space-size=256",
        "--max-semi-space-size=256",
        fileURLToPath(new URL("../../testing/balance-allocation.js", import.meta.url)),
      ],
      { encoding: "utf8" },
    );
    assert.equal(run.status, 0, run.stderr);
    const costs = JSON.parse(run.stdout) as Record<string, number>;
    assert.equal(Object.keys(costs).length, 7);
    for (const [strategy, bytes] of Object.entries(costs)) {
      assert.ok(bytes < BUDGET_BYTES, `a pick by ${strategy} costs ${bytes} bytes`);
    }
  },
);

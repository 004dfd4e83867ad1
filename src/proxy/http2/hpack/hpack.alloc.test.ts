import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Room for what the runtime itself does in the background (feedback, one timer): not for an object per head. */
const BUDGET_BYTES = 1;

test(
  "HeadEncoder and HeadDecoder allocate nothing for a head like those before it",
  { skip: "bun" in process.versions ? "V8 only: JavaScriptCore gives no heap reading of this precision" : false },
  () => {
    const run = spawnSync(
      process.execPath,
      [
        "--expose-gc",
        "--min-semi-space-size=256",
        "--max-semi-space-size=256",
        fileURLToPath(new URL("./hpack-allocation.js", import.meta.url)),
      ],
      { encoding: "utf8" },
    );
    assert.equal(run.status, 0, run.stderr);
    const cost = JSON.parse(run.stdout) as { request: number; response: number };
    assert.ok(cost.request < BUDGET_BYTES, `a request costs ${cost.request} bytes`);
    assert.ok(cost.response < BUDGET_BYTES, `a response costs ${cost.response} bytes`);
  },
);

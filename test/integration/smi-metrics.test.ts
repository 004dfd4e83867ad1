import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { Lab } from "./smi/lab.ts";
import { describeMetrics } from "./smi/metrics-behaviours.ts";

for (const runtime of ["node", "bun"] as const) {
  describe(`SMI traffic metrics, proxies on ${runtime}`, { concurrency: false }, () => {
    let lab: Lab | null = null;
    before(async () => {
      lab = await Lab.start(runtime);
    });
    after(() => lab?.stop());
    describeMetrics(() => lab ?? assert.fail("the mesh did not start"));
  });
}

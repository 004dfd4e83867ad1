import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { Lab } from "./smi/lab.ts";
import { describeSplits } from "./smi/split-behaviours.ts";

for (const runtime of ["node", "bun"] as const) {
  describe(`SMI traffic splitting, proxies on ${runtime}`, { concurrency: false }, () => {
    let lab: Lab | null = null;
    before(async () => {
      lab = await Lab.start(runtime);
    });
    after(() => lab?.stop());
    describeSplits(() => lab ?? assert.fail("the mesh did not start"));
  });
}

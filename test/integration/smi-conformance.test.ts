import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { describeConformance } from "./smi/conformance-steps.ts";
import { Lab } from "./smi/lab.ts";

for (const runtime of ["node", "bun"] as const) {
  describe(`SMI conformance, proxies on ${runtime}`, { concurrency: false }, () => {
    let lab: Lab | null = null;
    before(async () => {
      lab = await Lab.start(runtime);
    });
    after(() => lab?.stop());
    describeConformance(() => lab ?? assert.fail("the mesh did not start"));
  });
}

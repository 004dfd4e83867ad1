import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { describeAccess } from "./smi/access-behaviours.ts";
import { Lab } from "./smi/lab.ts";

for (const runtime of ["node", "bun"] as const) {
  describe(`SMI access control, proxies on ${runtime}`, { concurrency: false }, () => {
    let lab: Lab | null = null;
    before(async () => {
      lab = await Lab.start(runtime);
    });
    after(() => lab?.stop());
    describeAccess(() => lab ?? assert.fail("the mesh did not start"));
  });
}

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Mesh } from "../integration/mesh.ts";
import { findKubectls, type Kubectl } from "./kubectls.ts";
import { runSession } from "./run-session.ts";
import { listSessions } from "./sessions.ts";
import { startMesh } from "./start-mesh.ts";

const { kubectls, skip } = findKubectls();
const LEAST_COMMANDS = 100;
/** Two cores: while one command waits, others run. */
const CONCURRENCY = 4;

test("the sessions hold at least a hundred commands", () => {
  const steps = listSessions().flatMap((session) => session.steps);
  assert.ok(steps.length >= LEAST_COMMANDS, `found ${steps.length}`);
});

if (skip !== false) test("kubectl does with weft what it does with Kubernetes", { skip });
for (const kubectl of kubectls) describeKubectl(kubectl);

function describeKubectl(kubectl: Kubectl): void {
  test(`kubectl ${kubectl.version}`, { concurrency: CONCURRENCY }, async (context) => {
    // A mesh for each: every kubectl finds the same.
    const mesh: Mesh = await startMesh();
    try {
      const kubeconfig = readFileSync(join(mesh.home, "kubeconfig"), "utf8");
      const waiting = [...listSessions()];
      const runNext = async (): Promise<void> => {
        for (let session = waiting.shift(); session !== undefined; session = waiting.shift()) {
          const options = { kubectl, server: "weft", kubeconfig } as const;
          const { file } = session;
          await runSession(session, {
            ...options,
            async onStep(step, run) {
              await context.test(`${file}:${step.line} ${step.command}`, async () => {
                const { failure } = await run();
                assert.ok(failure === null, failure ?? "");
              });
            },
          });
        }
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, runNext));
    } finally {
      await mesh.stop();
    }
  });
}

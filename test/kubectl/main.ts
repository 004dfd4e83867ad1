// Runs the sessions by hand, against a mesh or a real kube-apiserver that it starts, or any server with --kubeconfig:
//
//   node dist/test/kubectl/main.js [--server weft|kube] [--kubeconfig FILE] [--kubectl FILE …] [--show] [SESSION…]
//
// For `kube` test/kubectl/kube/build.sh has built the programs. The last line is `N passed, N failed`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../integration/mesh.ts";
import { KubeServer } from "./kube/kube-server.ts";
import { findKubectls, type Kubectl, readKubectl } from "./kubectls.ts";
import { runSession } from "./run-session.ts";
import type { Server } from "./session.ts";
import { listSessions } from "./sessions.ts";
import { startMesh } from "./start-mesh.ts";

const { values, positionals } = parseArgs({
  options: {
    server: { type: "string", default: "weft" },
    kubeconfig: { type: "string" },
    kubectl: { type: "string", multiple: true },
    show: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
if (values.server !== "weft" && values.server !== "kube") {
  throw new Error(`--server: found "${values.server}"; expected weft or kube`);
}
const counts = { passed: 0, failed: 0 };
for (const kubectl of values.kubectl?.map(readKubectl) ?? findKubectls().kubectls) {
  const started = values.kubeconfig === undefined ? await startServer(values.server) : null;
  try {
    await runAll(kubectl, values.server, started?.kubeconfig ?? readFileSync(values.kubeconfig ?? "", "utf8"));
  } finally {
    await started?.stop();
  }
}
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;

/** A new one for each kubectl, so that each finds the same. */
async function startServer(server: Server): Promise<{ readonly kubeconfig: string; stop(): Promise<void> }> {
  if (server === "kube") return KubeServer.start({ programs: join(ROOT, ".build", "kube") });
  const mesh = await startMesh();
  return { kubeconfig: readFileSync(join(mesh.home, "kubeconfig"), "utf8"), stop: () => mesh.stop() };
}

async function runAll(kubectl: Kubectl, server: Server, kubeconfig: string): Promise<void> {
  process.stdout.write(`== kubectl ${kubectl.version}, ${server}\n`);
  const chosen = listSessions().filter(
    ({ file }) => positionals.length === 0 || positionals.some((part) => file.includes(part)),
  );
  for (const session of chosen) {
    process.stdout.write(`== ${session.file}\n`);
    await runSession(session, {
      kubectl,
      server,
      kubeconfig,
      async onStep(step, run) {
        const { failure, stdout, stderr } = await run();
        counts[failure === null ? "passed" : "failed"] += 1;
        if (failure !== null) process.stdout.write(`FAIL ${failure}\n\n`);
        else if (values.show) process.stdout.write(`$ ${step.command}\n${stdout}${stderr.replace(/^(?=.)/gm, "! ")}\n`);
      },
    });
  }
}

import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type CommandResult, ROOT, runCommand } from "../integration/mesh.ts";
import type { Kubectl } from "./kubectls.ts";
import { matchLines } from "./match-lines.ts";
import { applies, chooseOutcome, type Place, type Server, type Session, type Step } from "./session.ts";

export interface SessionOptions {
  readonly kubectl: Kubectl;
  readonly server: Server;
  /** The text of a kubeconfig whose context may do everything. */
  readonly kubeconfig: string;
  /** Called for each step that counts here, one after another; `run` does it. */
  readonly onStep: (step: Step, run: () => Promise<StepResult>) => Promise<void>;
}

export interface StepResult extends CommandResult {
  /** Null: as expected. */
  readonly failure: string | null;
}

const FILES = join(ROOT, "test", "kubectl", "files");
const STEP_LIMIT_MS = 60_000;

/** Runs a session's steps in a folder of its own, with the files of `files/`; a step that fails does not end it. */
export async function runSession(session: Session, options: SessionOptions): Promise<void> {
  const { kubectl, server, kubeconfig, onStep } = options;
  const place: Place = { server, minor: kubectl.minor };
  const folder = mkdtempSync(join(tmpdir(), "weft-kubectl-"));
  try {
    const work = join(folder, "work");
    const programs = join(folder, "bin");
    const config = join(folder, "config");
    cpSync(FILES, work, { recursive: true });
    mkdirSync(programs);
    symlinkSync(kubectl.path, join(programs, "kubectl"));
    writeFileSync(config, kubeconfig, { mode: 0o600 });
    const path = [programs, "/usr/local/bin", "/usr/bin", "/bin"].join(delimiter);
    const env = { PATH: path, HOME: folder, KUBECONFIG: config, LC_ALL: "C.UTF-8" };
    for (const step of session.steps) {
      if (!applies(step.only, place)) continue;
      await onStep(step, async () => {
        const limits = { cwd: work, env, input: step.input ?? "", limitMs: STEP_LIMIT_MS };
        const result = await runCommand("/bin/bash", ["-c", step.command], limits);
        return { ...result, failure: judge(`${session.file}:${step.line}`, step, place, result) };
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function judge(where: string, step: Step, place: Place, result: CommandResult): string | null {
  const expected = chooseOutcome(step, place);
  const differences = [
    ...(result.code === expected.exit ? [] : [`exit code ${result.code}; expected ${expected.exit}`]),
    ...(matchLines(expected.stdout, result.stdout) ? [] : [`standard output; expected\n${expected.stdout.join("\n")}`]),
    ...(matchLines(expected.stderr, result.stderr) ? [] : [`standard error; expected\n${expected.stderr.join("\n")}`]),
  ];
  if (differences.length === 0) return null;
  const found = `it wrote\n${result.stdout}${result.stderr.replace(/^(?=.)/gm, "! ")}= ${result.code}`;
  return `${where}: ${step.command}\n${differences.join("\n")}\n${found}`;
}

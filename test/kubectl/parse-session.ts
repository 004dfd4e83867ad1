import type { Condition, Outcome, Session, Step, VersionLimit } from "./session.ts";

interface OpenOutcome extends Outcome {
  readonly stdout: string[];
  readonly stderr: string[];
  exit: number;
}

interface OpenStep {
  readonly line: number;
  command: string;
  input: string | null;
  readonly only: Condition | null;
  readonly outcomes: OpenOutcome[];
}

/** Throws an Error that names file and line where the text is no session. */
export function parseSession(text: string, file: string): Session {
  const steps: Step[] = [];
  let only: Condition | null = null;
  let step: OpenStep | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const place = `${file}:${index + 1}`;
    if (step?.command.endsWith("\\") === true) {
      step.command = `${step.command.slice(0, -1).trimEnd()} ${line.trim()}`;
    } else if (line.trim() === "") {
      if (step !== null) steps.push(step);
      step = null;
    } else if (step !== null) {
      addLine(step, line, place);
    } else if (line.startsWith("$ ")) {
      const outcome: OpenOutcome = { when: null, stdout: [], stderr: [], exit: 0 };
      step = { line: index + 1, command: line.slice(2).trim(), input: null, only, outcomes: [outcome] };
      only = null;
    } else if (line.startsWith("@ ")) {
      only = parseCondition(line.slice(2), place);
    } else if (!line.startsWith("#")) {
      throw new Error(`${place}: found "${line}"; expected "$ command", "@ condition: reason" or "# text"`);
    }
  }
  if (step !== null) steps.push(step);
  return { file, steps };
}

function addLine(step: OpenStep, line: string, place: string): void {
  const outcome = step.outcomes.at(-1);
  if (outcome === undefined) throw new Error(`${place}: no outcome is open`);
  if (line.startsWith("@ ")) {
    step.outcomes.push({ when: parseCondition(line.slice(2), place), stdout: [], stderr: [], exit: 0 });
  } else if (line === "!" || line.startsWith("! ")) outcome.stderr.push(line.slice(2));
  else if (line.startsWith("= ")) outcome.exit = Number(line.slice(2));
  else if (line === ">" || line.startsWith("> ")) outcome.stdout.push(line.slice(2));
  else if (line === "<" || line.startsWith("< ")) step.input = `${step.input ?? ""}${line.slice(2)}\n`;
  else outcome.stdout.push(line);
}

/** `kube: reason`, `kubectl < 1.24: reason`, `kube, kubectl >= 1.30: reason`. */
function parseCondition(text: string, place: string): Condition {
  const colon = text.indexOf(": ");
  const reason = colon === -1 ? "" : text.slice(colon + 2).trim();
  if (reason === "") throw new Error(`${place}: found "@ ${text}"; expected a reason behind a colon`);
  let server: Condition["server"] = null;
  const versions: VersionLimit[] = [];
  for (const part of text.slice(0, colon).split(",")) {
    const match = /^kubectl (<|>=) 1\.(\d+)$/.exec(part.trim());
    if (match !== null) versions.push({ operator: match[1] === "<" ? "<" : ">=", minor: Number(match[2]) });
    else if (part.trim() === "kube" || part.trim() === "weft") server = part.trim() === "kube" ? "kube" : "weft";
    else
      throw new Error(`${place}: found "${part.trim()}"; expected kube, weft, or kubectl with < or >= and a version`);
  }
  return { server, versions, reason };
}

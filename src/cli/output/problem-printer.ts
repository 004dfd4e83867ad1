import { type Problem, formatProblem } from "../../resources/problem.ts";
import { paint } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { escapeControl } from "./text-width.ts";

/** One line per problem in the order of the files, errors and warnings mixed as they stand; the severity is coloured. */
export function printProblems(terminal: Terminal, problems: readonly Problem[]): void {
  for (const problem of problems) {
    const line = escapeControl(formatProblem(problem));
    const label = `${problem.severity}:`;
    const style = problem.severity === "error" ? "red" : "yellow";
    terminal.write(`${line.replace(` ${label} `, () => ` ${paint(terminal, style, label)} `)}\n`);
  }
}

/** `2 errors, 1 warning`; "" when there are none. */
export function summarizeProblems(problems: readonly Problem[]): string {
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const warnings = problems.length - errors;
  const parts = [];
  if (errors > 0) parts.push(`${errors} error${errors === 1 ? "" : "s"}`);
  if (warnings > 0) parts.push(`${warnings} warning${warnings === 1 ? "" : "s"}`);
  return parts.join(", ");
}

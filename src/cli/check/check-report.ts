import { paint, type Style } from "../output/style.ts";
import type { Terminal } from "../output/terminal.ts";
import { escapeControl } from "../output/text-width.ts";
import type { CheckResult } from "./check-result.ts";

const SYMBOL: Readonly<Record<CheckResult["outcome"], readonly [string, Style]>> = {
  ok: ["√", "green"],
  warning: ["‼", "yellow"],
  error: ["×", "red"],
};

/** More than this many things found by one check are counted, not listed. */
const MAX_FOUND = 8;

export function formatReport(terminal: Terminal, results: readonly CheckResult[]): readonly string[] {
  const lines: string[] = [];
  let section = "";
  for (const result of results) {
    if (result.section !== section) {
      section = result.section;
      lines.push(...(lines.length === 0 ? [] : [""]), paint(terminal, "bold", section));
    }
    lines.push(...formatResult(terminal, result));
  }
  return [...lines, "", formatSummary(terminal, results)];
}

function formatResult(terminal: Terminal, result: CheckResult): readonly string[] {
  const [symbol, style] = SYMBOL[result.outcome];
  const lines = [`${paint(terminal, style, symbol)} ${escapeControl(result.name)}`];
  for (const found of result.found.slice(0, MAX_FOUND)) lines.push(`    ${escapeControl(found)}`);
  if (result.found.length > MAX_FOUND)
    lines.push(`    and ${result.found.length - MAX_FOUND} more (-o json lists them)`);
  if (result.hint !== null) lines.push(`    ${paint(terminal, "cyan", "→")} ${escapeControl(result.hint)}`);
  return lines;
}

function formatSummary(terminal: Terminal, results: readonly CheckResult[]): string {
  const errors = results.filter((result) => result.outcome === "error").length;
  const warnings = results.filter((result) => result.outcome === "warning").length;
  const counts = `${errors} failed, ${warnings} warned, ${results.length - errors - warnings} fine`;
  if (errors > 0) return `${paint(terminal, "red", "×")} ${counts}`;
  if (warnings > 0) return `${paint(terminal, "yellow", "‼")} ${counts}`;
  return `${paint(terminal, "green", "√")} all ${results.length} checks are fine`;
}

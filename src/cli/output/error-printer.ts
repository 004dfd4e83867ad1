import { WeftError } from "../../lib/weft-error.ts";
import { paint } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { escapeControl } from "./text-width.ts";

interface Cause {
  readonly field?: string;
  readonly message: string;
}

/** Message, what exactly was wrong with each field, hint, code; the stack and its causes only for `--debug`. */
export function printError(terminal: Terminal, error: unknown, options: { readonly debug: boolean }): void {
  const lines = [`${paint(terminal, "red", "error:")} ${escapeLines(toMessage(error))}`];
  for (const cause of toCauses(error)) {
    const field = cause.field === undefined || cause.field === "" ? "" : `${cause.field}: `;
    lines.push(`  ${escapeLines(`${field}${cause.message}`)}`);
  }
  if (error instanceof WeftError) {
    if (error.hint !== null) lines.push(`${paint(terminal, "cyan", " hint:")} ${escapeLines(error.hint)}`);
    lines.push(`${paint(terminal, "dim", " code:")} ${error.code}`);
  } else {
    lines.push(
      `${paint(terminal, "cyan", " hint:")} This is a fault in weft itself: please report it with what --debug prints`,
    );
    lines.push(`${paint(terminal, "dim", " code:")} WEFT_INTERNAL`);
  }
  if (options.debug) lines.push(...formatStacks(error));
  terminal.write(`${lines.join("\n")}\n`);
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** One cause that repeats the message says nothing new. */
function toCauses(error: unknown): readonly Cause[] {
  if (!(error instanceof WeftError)) return [];
  const causes = error.details["causes"];
  if (!Array.isArray(causes)) return [];
  return (causes as readonly Cause[]).filter((cause) => !error.message.includes(cause.message) || causes.length > 1);
}

function formatStacks(error: unknown): readonly string[] {
  const lines: string[] = [];
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    lines.push(current === error ? "" : "caused by:", current.stack ?? current.message);
  }
  return lines;
}

function escapeLines(text: string): string {
  return text.split("\n").map(escapeControl).join("\n  ");
}

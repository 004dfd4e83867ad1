import { type Command, Option } from "commander";
import type { Terminal } from "./terminal.ts";

/** What `-o` takes. Tables are for people; the other two are stable and complete. */
export type OutputFormat = "table" | "json" | "yaml";

const FORMATS: readonly OutputFormat[] = ["table", "json", "yaml"];

export function addOutputOption(command: Command, byDefault: OutputFormat = "table"): Command {
  return command.addOption(new Option("-o, --output <format>", "how to print").choices(FORMATS).default(byDefault));
}

/** JSON or YAML of a value, ending in a newline. */
export async function writeValue(terminal: Terminal, format: "json" | "yaml", value: unknown): Promise<void> {
  if (format === "json") {
    terminal.write(`${JSON.stringify(value, null, 2)}\n`);
    return;
  }
  const { stringify } = await import("yaml");
  terminal.write(stringify(value, { lineWidth: 0, aliasDuplicateObjects: false }));
}

export function writeLines(terminal: Terminal, lines: readonly string[]): void {
  if (lines.length > 0) terminal.write(`${lines.join("\n")}\n`);
}

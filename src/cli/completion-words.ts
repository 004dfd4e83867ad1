import type { Command, Option } from "commander";
import { KINDS } from "../resources/registry.ts";

/** What may follow one command. */
export interface CommandWords {
  /** "" = weft itself, "proxy list" = a command of a command. */
  readonly path: string;
  /** Commands below it, or values of its first argument. */
  readonly words: readonly Word[];
  readonly options: readonly OptionWords[];
}

export interface Word {
  readonly text: string;
  readonly summary: string;
}

export interface OptionWords {
  /** "" when it has none. */
  readonly short: string;
  readonly long: string;
  readonly summary: string;
  readonly takesValue: boolean;
  /** [] with `takesValue`: a file. */
  readonly values: readonly string[];
}

/** Options whose value is a path; the others of unknown values complete nothing useful either. */
const HELP: OptionWords = { short: "-h", long: "--help", summary: "show help", takesValue: false, values: [] };

/** Every command with what may follow it, read from the program itself so that it cannot be out of date. */
export function listCompletions(program: Command): readonly CommandWords[] {
  const visit = (command: Command, path: string): readonly CommandWords[] => [
    {
      path,
      words: listWords(command),
      options: [...command.options.map(toOptionWords), HELP],
    },
    ...command.commands.flatMap((child) => visit(child, `${path} ${child.name()}`.trim())),
  ];
  return visit(program, "");
}

function listWords(command: Command): readonly Word[] {
  if (command.commands.length > 0)
    return command.commands.map((child) => ({ text: child.name(), summary: child.summary() || child.description() }));
  const first = command.registeredArguments[0];
  if (first === undefined) return [];
  if (first.name() === "kind") return KINDS.map((kind) => ({ text: kind.plural, summary: kind.kind }));
  return (first.argChoices ?? []).map((text) => ({ text, summary: first.description }));
}

function toOptionWords(option: Option): OptionWords {
  return {
    short: option.short ?? "",
    long: option.long ?? "",
    summary: option.description,
    takesValue: option.required || option.optional,
    values: option.argChoices ?? [],
  };
}

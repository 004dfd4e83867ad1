import type { Command } from "commander";
import { parseResourceFile } from "../../src/resources/parse-file.ts";
import { formatProblem } from "../../src/resources/problem.ts";
import { parseWeftYaml } from "../../src/runner/parse-weft-yaml.ts";
import type { RepositoryFile } from "./repository.ts";

export interface FencedBlock {
  readonly file: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
  /** The words behind the fence: a language, then marks. */
  readonly language: string;
  readonly marks: readonly string[];
  readonly text: string;
}

/** What may stand in docs, and how it is held true. Drawings and output (no language, or `text`) are not checked. */
const LANGUAGES: ReadonlySet<string> = new Set(["sh", "yaml", "json", "ts", "text", ""]);

export function listBlocks(files: readonly RepositoryFile[]): readonly FencedBlock[] {
  const blocks: FencedBlock[] = [];
  for (const { path, text } of files) {
    if (!path.endsWith(".md")) continue;
    let open: { line: number; info: string; lines: string[] } | null = null;
    for (const [index, line] of text.split("\n").entries()) {
      if (!line.startsWith("```")) {
        open?.lines.push(line);
      } else if (open === null) {
        open = { line: index + 1, info: line.slice(3).trim(), lines: [] };
      } else {
        const [language = "", ...marks] = open.info.split(/\s+/);
        blocks.push({ file: path, line: open.line, language, marks, text: open.lines.join("\n") });
        open = null;
      }
    }
  }
  return blocks;
}

/** Blocks whose language nothing checks, one line each. */
export function checkLanguages(blocks: readonly FencedBlock[]): string[] {
  return blocks
    .filter((block) => !LANGUAGES.has(block.language))
    .map(
      (block) =>
        `${place(block)}: "${block.language}"; expected one of ${[...LANGUAGES].filter(Boolean).join(", ")}, or none`,
    );
}

/**
 * YAML and JSON must be what they look like: a weft.yaml, or resources. A piece of either is marked `yaml fragment`, and
 * one that shows a mistake `yaml invalid`, which must have one.
 */
export function checkData(blocks: readonly FencedBlock[]): string[] {
  return blocks.flatMap((block) => {
    if (block.language === "json") return checkJson(block);
    if (block.language !== "yaml" || block.marks.includes("fragment")) return [];
    const isWeftYaml = /^(mesh|services):/m.test(block.text);
    const { problems } = isWeftYaml ? parseWeftYaml(block.text, block.file) : parseResourceFile(block.text, block.file);
    const errors = problems.filter((problem) => problem.severity === "error");
    if (block.marks.includes("invalid"))
      return errors.length > 0 ? [] : [`${place(block)}: marked invalid, and is valid`];
    return errors.map((problem) => `${place(block)}: ${formatProblem(problem)}`);
  });
}

function checkJson(block: FencedBlock): string[] {
  try {
    JSON.parse(block.text);
    return [];
  } catch (error) {
    return [`${place(block)}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/**
 * Every `weft …` and `npm …` of a shell block must be a command line that the program takes; it is parsed by the program
 * itself, and not run. Other programs are the reader's business.
 */
export async function checkCommands(
  blocks: readonly FencedBlock[],
  tools: { createProgram: () => Promise<Command>; scripts: ReadonlySet<string> },
): Promise<string[]> {
  const problems: string[] = [];
  for (const block of blocks) {
    if (block.language !== "sh") continue;
    for (const words of listCommandLines(block.text)) {
      const problem = await checkCommand(words, tools);
      if (problem !== null) problems.push(`${place(block)}: \`${words.join(" ")}\`: ${problem}`);
    }
  }
  return problems;
}

async function checkCommand(
  words: readonly string[],
  tools: { createProgram: () => Promise<Command>; scripts: ReadonlySet<string> },
): Promise<string | null> {
  const [name, ...rest] = words;
  if (name === "npm") return checkNpm(rest, tools);
  if (name !== "weft") return null;
  const program = await tools.createProgram();
  makeHarmless(program);
  try {
    await program.parseAsync([...rest], { from: "user" });
    return null;
  } catch (error) {
    const isHelp = error instanceof Error && "code" in error && /help|version/i.test(String(error.code));
    return isHelp ? null : error instanceof Error ? error.message : String(error);
  }
}

async function checkNpm(
  rest: readonly string[],
  tools: { createProgram: () => Promise<Command>; scripts: ReadonlySet<string> },
): Promise<string | null> {
  const [verb = "", script = "", dashes, ...behind] = rest;
  if (["ci", "install", "i"].includes(verb)) return null;
  const name = verb === "run" ? script : verb;
  if (!tools.scripts.has(name)) return `package.json has no script "${name}"`;
  return name === "weft" && dashes === "--" ? checkCommand(["weft", ...behind], tools) : null;
}

/** Commands parse as they do for users, then do nothing. */
function makeHarmless(command: Command): void {
  command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
  for (const child of command.commands) makeHarmless(child);
  if (command.commands.length === 0) command.action(() => {});
}

/** The commands of a shell text as words: one per line and per side of a pipe, without comments and assignments. */
export function listCommandLines(text: string): readonly (readonly string[])[] {
  const lines = text.replace(/\\\n/g, " ").split("\n");
  return lines.flatMap((line) => splitLine(line.replace(/^\$ /, "")));
}

function splitLine(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const match of line.matchAll(/"([^"]*)"|'([^']*)'|(&&|\|\||[|;&])|(#.*$)|((?:[^\s"'|;&#]|(?<=\S)#)+)/g)) {
    const [, double, single, operator, comment, word] = match;
    if (comment !== undefined) break;
    if (operator !== undefined) commands.push([]);
    else commands.at(-1)?.push(double ?? single ?? word ?? "");
  }
  return commands
    .map(dropRedirections)
    .map(dropAssignments)
    .filter((words) => words.length > 0);
}

function dropRedirections(words: string[]): string[] {
  return words.filter((word, index) => !/^[12]?>{1,2}/.test(word) && !/^[12]?>{1,2}$/.test(words[index - 1] ?? ""));
}

function dropAssignments(words: string[]): string[] {
  const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word));
  return first < 0 ? [] : words.slice(first);
}

function place(block: FencedBlock): string {
  return `${block.file}:${block.line}`;
}

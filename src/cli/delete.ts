import type { Command } from "commander";
import type { ApiClient, DeleteResult } from "../apiserver/api-client.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { ResourceKey } from "../store/store.ts";
import type { CliContext } from "./context.ts";
import { printError } from "./output/error-printer.ts";
import { addOutputOption, type OutputFormat, writeValue } from "./output/format.ts";
import { printProblems, summarizeProblems } from "./output/problem-printer.ts";
import { paint } from "./output/style.ts";
import { createUsageError } from "./usage-error.ts";

const EXAMPLES = `
Examples:
  $ weft delete trafficsplit reviews
  $ weft delete ts/reviews -n shop
  $ weft delete -f policies/                what the files name; the rest of their content does not matter
`;

interface DeleteOptions {
  readonly filename?: readonly string[];
  readonly namespace: string;
  readonly ignoreNotFound?: boolean;
  readonly output: OutputFormat;
}

export function registerDeleteCommand(program: Command, context: CliContext): void {
  const command = program
    .command("delete")
    .summary("delete resources")
    .description("Deletes one resource, or all that files name.")
    .argument("[kind]", "plural, singular or short name, in any case; or kind/name")
    .argument("[name]", "which one")
    .option("-f, --filename <path...>", "file, folder, or - for standard input; may be repeated")
    .option("-n, --namespace <name>", "namespace of the one resource", "default")
    .option("--ignore-not-found", "what does not exist is not an error")
    .addHelpText("after", EXAMPLES);
  addOutputOption(command).action((kind: string | undefined, name: string | undefined, options: DeleteOptions) =>
    run(context, kind, name, options),
  );
}

async function run(
  context: CliContext,
  kind: string | undefined,
  name: string | undefined,
  options: DeleteOptions,
): Promise<void> {
  const keys =
    options.filename === undefined
      ? await readArgument(kind, name, options)
      : await readFiles(context, kind, options.filename);
  if (keys === null) return;
  const client = await context.openApi();
  try {
    await deleteAll(context, client, keys, options);
  } finally {
    client.close();
  }
}

async function readArgument(
  word: string | undefined,
  name: string | undefined,
  options: DeleteOptions,
): Promise<readonly ResourceKey[]> {
  if (word === undefined)
    throw createUsageError(
      "Cannot delete: found neither a kind nor a file; expected KIND NAME or -f",
      "See `weft delete --help`",
    );
  const { parseKindArgument } = await import("./kind-argument.ts");
  const argument = parseKindArgument(word, name);
  const { group, kind, plural, namespaced } = argument.definition;
  if (argument.name === null) {
    throw createUsageError(
      `Cannot delete ${plural}: found no name; expected one, so that a slip does not delete them all`,
      `Names: \`weft get ${plural}\``,
    );
  }
  return [{ group, kind, namespace: namespaced ? options.namespace : "", name: argument.name }];
}

/** In the opposite order of `apply`: what refers goes before what it refers to. Null when a file has an error. */
async function readFiles(
  context: CliContext,
  kind: string | undefined,
  paths: readonly string[],
): Promise<readonly ResourceKey[] | null> {
  if (kind !== undefined)
    throw createUsageError(
      `Cannot delete "${kind}" and files at once; expected one or the other`,
      "Run the command twice",
    );
  const [{ readResourceFiles }, { toResourceKey }] = await Promise.all([
    import("./resource-files.ts"),
    import("../store/store-key.ts"),
  ]);
  const read = await readResourceFiles(context, paths);
  if (read.problems.some((problem) => problem.severity === "error")) {
    printProblems(context.stderr, read.problems);
    context.stderr.write(
      `${paint(context.stderr, "red", "Nothing was deleted:")} found ${summarizeProblems(read.problems)}\n`,
    );
    context.fail();
    return null;
  }
  return read.resources.map(toResourceKey).reverse();
}

async function deleteAll(
  context: CliContext,
  client: ApiClient,
  keys: readonly ResourceKey[],
  options: DeleteOptions,
): Promise<void> {
  const items: object[] = [];
  for (const key of keys) {
    const deleted = await client.delete(key);
    items.push({
      kind: key.kind,
      name: key.name,
      namespace: key.namespace,
      outcome: deleted === null ? "not found" : deleted.finalizers.length === 0 ? "deleted" : "deleting",
    });
    if (deleted !== null) {
      if (options.output === "table") context.stdout.write(`${formatOutcome(key, deleted)}\n`);
    } else if (options.ignoreNotFound !== true) {
      printError(context.stderr, createNotFound(key), { debug: false });
      context.fail();
    }
  }
  if (options.output !== "table") await writeValue(context.stdout, options.output, { items });
}

function formatOutcome(key: ResourceKey, { finalizers }: DeleteResult): string {
  const what = `${key.kind.toLowerCase()}/${key.name}`;
  return finalizers.length === 0
    ? `${what} deleted`
    : `${what} is being deleted, and waits for ${finalizers.join(", ")}`;
}

function createNotFound(key: ResourceKey): WeftError {
  const place = key.namespace === "" ? "" : ` in namespace "${key.namespace}"`;
  return new WeftError("WEFT_CLI_NOT_FOUND", `Cannot delete ${key.kind} "${key.name}": there is none${place}`, {
    hint: "Names and namespaces: `weft get KIND -A`; add --ignore-not-found when that is fine",
  });
}

import type { Command } from "commander";
import type { ApiClient, ApplyResult } from "../apiserver/api-client.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { KnownResource } from "../resources/known-resource.ts";
import type { Problem } from "../resources/problem.ts";
import type { Resource } from "../resources/resource.ts";
import type { SchemaSource } from "../resources/schema-problems.ts";
import { noteSource } from "../resources/source-annotation.ts";
import type { CliContext } from "./context.ts";
import { printError } from "./output/error-printer.ts";
import { addOutputOption, type OutputFormat, writeValue } from "./output/format.ts";
import { printProblems, summarizeProblems } from "./output/problem-printer.ts";
import { paint } from "./output/style.ts";
import type { ReadResources } from "./resource-files.ts";

const EXAMPLES = `
Examples:
  $ weft apply -f policies/                 every .yaml, .yml and .json file of a folder
  $ weft apply -f split.yaml -f access.yaml
  $ kustomize build . | weft apply -f -     from standard input

Everything is checked first: when any file has an error, all problems are printed and nothing is applied.
`;

/** After one of these no other resource has a better chance. */
const HOPELESS: readonly string[] = ["WEFT_API_UNREACHABLE", "WEFT_API_TIMEOUT", "WEFT_API_UNAUTHORIZED"];

export function registerApplyCommand(program: Command, context: CliContext): void {
  const command = program
    .command("apply")
    .summary("create resources, or change them to what files say")
    .description("Creates the resources in files, or changes them to what the files say.")
    .requiredOption("-f, --filename <path...>", "file, folder, or - for standard input; may be repeated")
    .addHelpText("after", EXAMPLES);
  addOutputOption(command).action((options: { readonly filename: readonly string[]; readonly output: OutputFormat }) =>
    apply(context, options.filename, options.output),
  );
}

async function apply(context: CliContext, paths: readonly string[], format: OutputFormat): Promise<void> {
  const { readResourceFiles } = await import("./resource-files.ts");
  const read = await readResourceFiles(context, paths);
  if (read.problems.some((problem) => problem.severity === "error")) {
    refuse(context, read.problems);
    return;
  }
  const client = await context.openApi();
  try {
    const warnings = await findWarnings(context, client, read);
    printProblems(context.stderr, [...read.problems, ...warnings]);
    const resources = read.resources.map((resource) => noteFile(resource, read.sources.get(resource)));
    await applyAll(context, client, await inDependencyOrder(resources), format);
  } finally {
    client.close();
  }
}

/** Standard input is no place to go back to. */
function noteFile(resource: KnownResource, source: SchemaSource | undefined): KnownResource {
  return source === undefined || source.file === "stdin" ? resource : noteSource(resource, source);
}

function refuse(context: CliContext, problems: readonly Problem[]): void {
  printProblems(context.stderr, problems);
  context.stderr.write(
    `${paint(context.stderr, "red", "Nothing was applied:")} found ${summarizeProblems(problems)}\n`,
  );
  context.fail();
}

/** Names that neither the files nor the mesh have, and faults that are over. */
async function findWarnings(context: CliContext, client: ApiClient, read: ReadResources): Promise<readonly Problem[]> {
  const [{ listEverything }, { checkReferences }] = await Promise.all([
    import("./list-everything.ts"),
    import("../resources/check-references.ts"),
  ]);
  return checkReferences(read.resources, await listEverything(client), {
    sources: read.sources,
    wallMs: context.clock.wallMs(),
    knowsEndpoints: true,
    knowsTargets: true,
  });
}

/** What is referred to before what refers to it, so that the mesh is never told of a name before it exists. */
async function inDependencyOrder(resources: readonly KnownResource[]): Promise<readonly KnownResource[]> {
  const { KINDS } = await import("../resources/registry.ts");
  const rank = (resource: KnownResource): number => {
    // The registry lists them so, but for the settings of the whole mesh, which come first.
    return resource.kind === "Mesh" ? -1 : KINDS.findIndex((kind) => kind.kind === resource.kind);
  };
  return resources.toSorted((a, b) => rank(a) - rank(b));
}

async function applyAll(
  context: CliContext,
  client: ApiClient,
  resources: readonly KnownResource[],
  format: OutputFormat,
): Promise<void> {
  const items: object[] = [];
  for (const [position, resource] of resources.entries()) {
    try {
      const result = await client.apply(resource);
      if (format === "table") context.stdout.write(`${formatOutcome(context, result)}\n`);
      else items.push(toItem(result));
    } catch (error) {
      if (!(error instanceof WeftError) || HOPELESS.includes(error.code))
        throw afterSome(error, position, resources.length);
      printError(context.stderr, error, { debug: false });
      context.fail();
    }
  }
  if (format !== "table") await writeValue(context.stdout, format, { items });
}

function formatOutcome(context: CliContext, { outcome, resource }: ApplyResult): string {
  const place = isElsewhere(resource) ? ` (namespace ${resource.metadata.namespace})` : "";
  const text = outcome === "unchanged" ? outcome : paint(context.stdout, "green", outcome);
  return `${resource.kind.toLowerCase()}/${resource.metadata.name} ${text}${place}`;
}

function isElsewhere(resource: Resource): boolean {
  return resource.metadata.namespace !== "" && resource.metadata.namespace !== "default";
}

function toItem({ outcome, resource }: ApplyResult): object {
  const { name, namespace, resourceVersion } = resource.metadata;
  return { kind: resource.kind, name, namespace, outcome, resourceVersion };
}

/** Says how far it came, because what was applied stays applied. */
function afterSome(error: unknown, applied: number, total: number): unknown {
  if (!(error instanceof WeftError) || applied === 0) return error;
  return new WeftError(error.code, `${error.message} (${applied} of ${total} resources were applied)`, {
    cause: error,
    details: error.details,
    ...(error.hint === null ? {} : { hint: `${error.hint}; then run the same command again` }),
  });
}

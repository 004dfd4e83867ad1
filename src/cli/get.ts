import type { Command } from "commander";
import type { ApiClient } from "../apiserver/api-client.ts";
import type { KindDefinition } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat, writeLines, writeValue } from "./output/format.ts";
import { paint } from "./output/style.ts";

const EXAMPLES = `
Examples:
  $ weft get services                       of the namespace "default"
  $ weft get trafficsplits -A               of every namespace
  $ weft get ts reviews -o yaml             one TrafficSplit, as weft stores it
  $ weft get svc -l tier=front,env!=test
`;

interface GetOptions {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly output: OutputFormat;
}

export function registerGetCommand(program: Command, context: CliContext): void {
  const command = program
    .command("get")
    .summary("show resources")
    .description("Shows resources of one kind, or one resource.")
    .argument("<kind>", "plural, singular or short name, in any case; or kind/name")
    .argument("[name]", "one resource; left out: all of them")
    .option("-n, --namespace <name>", "namespace to look in", "default")
    .option("-A, --all-namespaces", "look in every namespace")
    .option("-l, --selector <labels>", "only those with these labels, e.g. app=web,tier!=db")
    .addHelpText("after", EXAMPLES);
  addOutputOption(command).action((kind: string, name: string | undefined, options: GetOptions) =>
    get(context, kind, name, options),
  );
}

/** All of one kind, wherever they are: `weft get <word> -A`. */
export async function showResources(context: CliContext, word: string, output: OutputFormat): Promise<void> {
  await get(context, word, undefined, { namespace: "default", allNamespaces: true, output });
}

async function get(context: CliContext, word: string, name: string | undefined, options: GetOptions): Promise<void> {
  const { parseKindArgument } = await import("./kind-argument.ts");
  const argument = parseKindArgument(word, name);
  const client = await context.openApi();
  try {
    if (argument.name === null) await showList(context, client, argument.definition, options);
    else await showOne(context, client, { ...argument, name: argument.name }, options);
  } finally {
    client.close();
  }
}

interface NamedKind {
  readonly definition: KindDefinition;
  readonly name: string;
}

async function showOne(
  context: CliContext,
  client: ApiClient,
  argument: NamedKind,
  options: GetOptions,
): Promise<void> {
  const { findResource } = await import("./find-resource.ts");
  const found = await findResource(client, argument.definition, { namespace: options.namespace, name: argument.name });
  if (options.output === "table") await writeTable(context, argument.definition, [found], false);
  else await writeValue(context.stdout, options.output, found);
}

async function showList(
  context: CliContext,
  client: ApiClient,
  definition: KindDefinition,
  options: GetOptions,
): Promise<void> {
  const isEverywhere = options.allNamespaces === true || !definition.namespaced;
  const { items, resourceVersion } = await client.list(
    { group: definition.group, kind: definition.kind },
    {
      ...(isEverywhere ? {} : { namespace: options.namespace }),
      ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
    },
  );
  if (options.output !== "table") {
    await writeValue(context.stdout, options.output, {
      apiVersion: "v1",
      kind: "List",
      metadata: { resourceVersion },
      items,
    });
    return;
  }
  if (items.length === 0) {
    const place = isEverywhere ? "" : ` in namespace "${options.namespace}"`;
    context.stderr.write(`${paint(context.stderr, "dim", `No ${definition.plural} found${place}`)}\n`);
    return;
  }
  await writeTable(context, definition, items, options.allNamespaces === true && definition.namespaced);
}

async function writeTable(
  context: CliContext,
  definition: KindDefinition,
  items: readonly Resource[],
  hasNamespace: boolean,
): Promise<void> {
  const [{ formatTable }, { chooseColumns }] = await Promise.all([
    import("./output/table.ts"),
    import("./resource-columns.ts"),
  ]);
  const columns = chooseColumns(definition.kind, { clock: context.clock, hasNamespace });
  writeLines(context.stdout, formatTable(context.stdout, columns, items));
}

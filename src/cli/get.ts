import type { Command } from "commander";
import type { ApiClient } from "../apiserver/api-client.ts";
import type { KindDefinition } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import type { ListResult } from "../store/store.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat, writeLines, writeValue } from "./output/format.ts";
import { paint } from "./output/style.ts";

const EXAMPLES = `
Examples:
  $ weft get services                       of the namespace "default"
  $ weft get trafficsplits -A               of every namespace
  $ weft get ts reviews -o yaml             one TrafficSplit, as weft stores it
  $ weft get svc -l tier=front,env!=test
  $ weft get svc,trafficsplits              several kinds
  $ weft get all -A                         whatever there is
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
    .description("Shows resources of one or more kinds, or one resource.")
    .argument("<kind>", "plural, singular or short name, in any case; several with commas; all; or kind/name")
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
  const { parseKindArgument, parseKindList } = await import("./kind-argument.ts");
  const isOne = name !== undefined || word.includes("/");
  const { definition, name: chosen } = isOne ? parseKindArgument(word, name) : { definition: null, name: null };
  const definitions = definition === null ? parseKindList(word) : [definition];
  const client = await context.openApi();
  try {
    if (definition !== null && chosen !== null) await showOne(context, client, { definition, name: chosen }, options);
    else await showLists(context, client, definitions, options);
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

async function showLists(
  context: CliContext,
  client: ApiClient,
  definitions: readonly KindDefinition[],
  options: GetOptions,
): Promise<void> {
  const lists = await Promise.all(
    definitions.map(async (definition) => ({ definition, ...(await listKind(client, definition, options)) })),
  );
  const [first] = lists;
  if (first === undefined) return;
  if (options.output !== "table") {
    await writeValue(context.stdout, options.output, {
      apiVersion: "v1",
      kind: "List",
      metadata: { resourceVersion: first.resourceVersion },
      items: lists.flatMap(({ items }) => items),
    });
    return;
  }
  const filled = lists.filter(({ items }) => items.length > 0);
  if (filled.length === 0) {
    const what = definitions.length === 1 ? first.definition.plural : "resources";
    const place = isEverywhere(first.definition, options) ? "" : ` in namespace "${options.namespace}"`;
    context.stderr.write(`${paint(context.stderr, "dim", `No ${what} found${place}`)}\n`);
    return;
  }
  for (const [index, { definition, items }] of filled.entries()) {
    if (index > 0) writeLines(context.stdout, [""]);
    // As kubectl: of several kinds, each name says its own.
    const shown = definitions.length === 1 ? items : items.map((item) => withKindInName(item, definition));
    await writeTable(context, definition, shown, options.allNamespaces === true && definition.namespaced);
  }
}

function listKind(client: ApiClient, definition: KindDefinition, options: GetOptions): Promise<ListResult> {
  return client.list(
    { group: definition.group, kind: definition.kind },
    {
      ...(isEverywhere(definition, options) ? {} : { namespace: options.namespace }),
      ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
    },
  );
}

function isEverywhere({ namespaced }: KindDefinition, { allNamespaces }: GetOptions): boolean {
  return allNamespaces === true || !namespaced;
}

function withKindInName(item: Resource, { singular }: KindDefinition): Resource {
  return { ...item, metadata: { ...item.metadata, name: `${singular}/${item.metadata.name}` } };
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

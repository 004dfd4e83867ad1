import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat, writeLines, writeValue } from "./output/format.ts";

const EXAMPLES = `
Examples:
  $ weft describe service reviews           ports, endpoints, splits, who may call it, traffic
  $ weft describe tt/reviews -n shop
  $ weft describe tp reviews                what it is about, its faults, what is not in force
`;

/** Of the traffic shown with a Service. */
const TRAFFIC_WINDOW_MS = 60_000;

interface DescribeOptions {
  readonly namespace: string;
  readonly output: OutputFormat;
}

export function registerDescribeCommand(program: Command, context: CliContext): void {
  const command = program
    .command("describe")
    .summary("show one resource and what it does in the mesh")
    .description("Shows one resource, what it means together with the others, and what is wrong with it.")
    .argument("<kind>", "plural, singular or short name, in any case; or kind/name")
    .argument("[name]", "which one")
    .option("-n, --namespace <name>", "namespace to look in", "default")
    .addHelpText("after", EXAMPLES);
  addOutputOption(command).action((kind: string, name: string | undefined, options: DescribeOptions) =>
    describe(context, kind, name, options),
  );
}

async function describe(
  context: CliContext,
  word: string,
  name: string | undefined,
  options: DescribeOptions,
): Promise<void> {
  const [
    { parseKindArgument },
    { createUsageError },
    { findResource },
    { listEverything },
    { compileModel },
    description,
  ] = await Promise.all([
    import("./kind-argument.ts"),
    import("./usage-error.ts"),
    import("./find-resource.ts"),
    import("./list-everything.ts"),
    import("../control/model/compile-model.ts"),
    import("./description.ts"),
  ]);
  const argument = parseKindArgument(word, name);
  const { definition } = argument;
  if (argument.name === null) {
    throw createUsageError(
      `Cannot describe ${definition.plural}: found no name; expected one`,
      `Names: \`weft get ${definition.plural}\``,
    );
  }
  const client = await context.openApi();
  try {
    const resource = await findResource(client, definition, { namespace: options.namespace, name: argument.name });
    const [resources, traffic] = await Promise.all([listEverything(client), client.stat(TRAFFIC_WINDOW_MS)]);
    const found = description.createDescription(resource, {
      model: compileModel(resources, null),
      resources,
      traffic,
      wallMs: context.clock.wallMs(),
    });
    if (options.output === "table") writeLines(context.stdout, await description.formatDescription(context, found));
    else await writeValue(context.stdout, options.output, found);
  } finally {
    client.close();
  }
}

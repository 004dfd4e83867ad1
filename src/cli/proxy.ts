import { type Command, Option } from "commander";
import type { ApiClient } from "../apiserver/api-client.ts";
import type { ProxyStatus } from "../control/views.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat, writeLines, writeValue } from "./output/format.ts";
import { paint } from "./output/style.ts";
import { writeSilentReplicas } from "./silent-replicas.ts";
import { createUsageError } from "./usage-error.ts";

const LIST_EXAMPLES = `
Examples:
  $ weft proxy list
  $ weft proxy list -o json | jq -r '.items[] | select(.state != "SYNCED") | .id'

SYNCED    has acknowledged all that was sent
STALE     is disconnected, or has not acknowledged yet
REJECTED  refused a resource and keeps the last good one; the reason stands below the table
`;

const CONFIG_EXAMPLES = `
Examples:
  $ weft proxy config default/reviews-v1-0
  $ weft proxy config default/reviews-v1-0 --type route -o yaml
`;

const TYPES: readonly string[] = ["listener", "route", "cluster", "endpoint", "secret"];

interface ConfigOptions {
  readonly type?: string;
  readonly output: OutputFormat;
}

export function registerProxyCommand(program: Command, context: CliContext): void {
  const proxy = program
    .command("proxy")
    .summary("look at the proxies and what they were told")
    .description("Shows the proxies and their configuration.");
  const list = proxy
    .command("list")
    .summary("every proxy and whether it follows")
    .description("Lists every proxy that the control plane knows, and whether it has the newest configuration.")
    .addHelpText("after", LIST_EXAMPLES);
  addOutputOption(list).action((options: { readonly output: OutputFormat }) => listProxies(context, options.output));
  const config = proxy
    .command("config")
    .summary("the configuration one proxy acknowledged")
    .description("Shows the xDS configuration that one proxy acknowledged.")
    .argument("<proxy>", 'namespace/workload, as in `weft proxy list`; a workload alone is in "default"')
    .addOption(new Option("--type <type>", "only this type").choices(TYPES))
    .addHelpText("after", CONFIG_EXAMPLES);
  addOutputOption(config).action((id: string, options: ConfigOptions) => showConfig(context, id, options));
}

async function listProxies(context: CliContext, format: OutputFormat): Promise<void> {
  const client = await context.openApi();
  try {
    const proxies = (await client.proxies()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    await writeSilentReplicas(context, client, "proxies");
    if (format !== "table") await writeValue(context.stdout, format, { items: proxies });
    else if (proxies.length === 0) context.stderr.write(`${paint(context.stderr, "dim", "No proxies yet")}\n`);
    else await writeProxies(context, proxies);
  } finally {
    client.close();
  }
}

async function writeProxies(context: CliContext, proxies: readonly ProxyStatus[]): Promise<void> {
  const { formatProxyTable, formatRejections } = await import("./proxy-table.ts");
  writeLines(context.stdout, formatProxyTable(context.stdout, proxies, context.clock.wallMs()));
  writeLines(context.stdout, formatRejections(context.stdout, proxies));
}

async function showConfig(context: CliContext, argument: string, options: ConfigOptions): Promise<void> {
  const id = argument.includes("/") ? argument : `default/${argument}`;
  if (id.split("/").length !== 2) {
    throw createUsageError(
      `Cannot read the proxy "${argument}"; expected namespace/workload`,
      "Names: `weft proxy list`",
    );
  }
  const client = await context.openApi();
  try {
    const config = await client.proxyConfig(id);
    if (config === null) throw await createUnknownProxy(client, id);
    const chosen =
      options.type === undefined ? config : { [options.type]: (config as Record<string, unknown>)[options.type] ?? {} };
    if (options.output !== "table") {
      await writeValue(context.stdout, options.output, chosen);
      return;
    }
    const { formatConfigTable } = await import("./proxy-table.ts");
    writeLines(context.stdout, formatConfigTable(context.stdout, chosen));
  } finally {
    client.close();
  }
}

async function createUnknownProxy(client: ApiClient, id: string): Promise<WeftError> {
  const { findNearestName } = await import("./nearest-name.ts");
  const ids = (await client.proxies()).map((proxy) => proxy.id);
  const nearest = findNearestName(id, ids);
  return new WeftError(
    "WEFT_CLI_NOT_FOUND",
    `Cannot find the proxy "${id}"; expected one that \`weft proxy list\` shows`,
    {
      hint: nearest === null ? `There are ${ids.length} proxies` : `Did you mean ${nearest}?`,
    },
  );
}

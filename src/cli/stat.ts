import type { Command } from "commander";
import type { ApiClient } from "../apiserver/api-client.ts";
import { type StatRow, TRAFFIC_KEPT_MS } from "../control/views.ts";
import { parseDurationMs } from "../lib/duration.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat, writeLines, writeValue } from "./output/format.ts";
import { paint } from "./output/style.ts";
import { writeSilentReplicas } from "./silent-replicas.ts";
import { createUsageError } from "./usage-error.ts";

const EXAMPLES = `
Examples:
  $ weft stat                               the last minute
  $ weft stat -w 10s --watch                live, until Ctrl-C
  $ weft stat --to reviews --inbound        as the proxies beside reviews saw it
  $ weft stat -o json | jq '.items[] | select(.failures > 0)'
`;

/** How often --watch asks: proxies report every few seconds. */
const WATCH_INTERVAL_MS = 2_000;
const MIN_WINDOW_MS = 1_000;

interface StatOptions {
  readonly window: string;
  readonly watch?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly inbound?: boolean;
  readonly outbound?: boolean;
  readonly output: OutputFormat;
}

export function registerStatCommand(program: Command, context: CliContext): void {
  const command = program
    .command("stat")
    .summary("show traffic: success, rate, latency, failures")
    .description(
      "Shows who called whom: success, rate, latency and failure codes. Each call is counted twice: by the caller's proxy (outbound) and by the proxy of the called (inbound).",
    )
    .option("-w, --window <duration>", "over how long, 1s to 10m", "1m")
    .option("--watch", "redraw every 2 s until Ctrl-C")
    .option("--from <name>", "only calls of this service account")
    .option("--to <name>", "only calls of this service")
    .option("--inbound", "only what the proxies of the called saw")
    .option("--outbound", "only what the callers' proxies saw")
    .addHelpText("after", EXAMPLES);
  addOutputOption(command).action((options: StatOptions) => stat(context, options));
}

async function stat(context: CliContext, options: StatOptions): Promise<void> {
  const windowMs = parseDurationMs(options.window);
  if (windowMs === null || windowMs < MIN_WINDOW_MS || windowMs > TRAFFIC_KEPT_MS) {
    throw createUsageError(
      `Cannot read --window: found "${options.window}"; expected a duration of 1s to 10m`,
      "Traffic is kept for 10 minutes; what is older is in the metrics of the proxies",
    );
  }
  const client = await context.openApi();
  try {
    if (options.watch === true) await watch(context, client, { ...options, windowMs });
    else {
      const rows = await read(client, options, windowMs);
      await writeSilentReplicas(context, client, "traffic");
      await print(context, options, rows);
    }
  } finally {
    client.close();
  }
}

async function read(client: ApiClient, options: StatOptions, windowMs: number): Promise<readonly StatRow[]> {
  const rows = await client.stat(windowMs);
  return rows.filter((row) => isWanted(row, options)).toSorted(compareRows);
}

function isWanted(row: StatRow, { from, to, inbound, outbound }: StatOptions): boolean {
  if (inbound === true && outbound !== true && row.direction !== "inbound") return false;
  if (outbound === true && inbound !== true && row.direction !== "outbound") return false;
  return (from === undefined || isNamed(row.source, from)) && (to === undefined || isNamed(row.destination, to));
}

/** "reviews" means it in any namespace, "shop/reviews" in that one. */
function isNamed(qualified: string, name: string): boolean {
  return qualified === name || (!name.includes("/") && qualified.endsWith(`/${name}`));
}

function compareRows(a: StatRow, b: StatRow): number {
  const order = (row: StatRow): string =>
    [row.direction === "outbound" ? 0 : 1, row.destination, row.version, row.source].join("\u0000");
  return order(a) < order(b) ? -1 : 1;
}

async function print(context: CliContext, options: StatOptions, rows: readonly StatRow[]): Promise<void> {
  if (options.output !== "table") {
    await writeValue(context.stdout, options.output, { items: rows });
  } else if (rows.length === 0) {
    context.stderr.write(`${paint(context.stderr, "dim", `No traffic in the last ${options.window}`)}\n`);
  } else {
    const { formatStatTable } = await import("./stat-table.ts");
    writeLines(context.stdout, formatStatTable(context.stdout, rows));
  }
}

/** Until interrupted. A control plane that is away is said in the block, and asked again. */
async function watch(
  context: CliContext,
  client: ApiClient,
  options: StatOptions & { readonly windowMs: number },
): Promise<void> {
  const [{ openLiveBlock }, { formatStatTable }, { formatWallTime }] = await Promise.all([
    import("./output/live-block.ts"),
    import("./stat-table.ts"),
    import("../time/wall-time.ts"),
  ]);
  const block = openLiveBlock(context.stdout);
  let isBusy = false;
  let last: readonly string[] = [];
  const refresh = async (): Promise<void> => {
    if (isBusy) return;
    isBusy = true;
    try {
      const rows = await read(client, options, options.windowMs);
      last = rows.length === 0 ? [`No traffic in the last ${options.window}`] : formatStatTable(context.stdout, rows);
      const time = formatWallTime(context.clock.wallMs()).slice(11, 19);
      const title = paint(context.stdout, "dim", `last ${options.window}, at ${time} UTC; Ctrl-C ends`);
      if (options.output !== "table") context.stdout.write(`${JSON.stringify({ items: rows })}\n`);
      else if (context.stdout.isTty) block.update([title, ...last]);
      else block.print([title, ...last, ""].join("\n"));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (context.stdout.isTty) block.update([paint(context.stdout, "red", message), ...last]);
      else context.stderr.write(`${message}\n`);
    } finally {
      isBusy = false;
    }
  };
  await refresh();
  const timer = context.clock.every(WATCH_INTERVAL_MS, () => void refresh(), undefined);
  await new Promise<void>((resolve) => {
    const stop = context.onInterrupt(() => {
      stop();
      resolve();
    });
  });
  timer.clear();
  block.close();
  // The terminal has shown ^C where the cursor stood.
  if (context.stdout.isTty) context.stdout.write("\n");
}

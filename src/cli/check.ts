import type { Command } from "commander";
import type { CheckResult } from "./check/check-result.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat, writeLines, writeValue } from "./output/format.ts";

const EXAMPLES = `
Examples:
  $ weft check                              √ fine, ‼ a warning, × a failure; each with what to do
  $ weft check --wait 30s                   until nothing fails, for at most that long
  $ weft check --fail-on-warning -o json    for CI

Exit code 1 when something fails (with --fail-on-warning also when something warns).
`;

/** Of the `traffic` section. */
const TRAFFIC_WINDOW_MS = 5 * 60_000;
const TRAFFIC_WINDOW_NAME = "5 minutes";
const RETRY_INTERVAL_MS = 1_000;

interface CheckOptions {
  readonly wait?: string;
  readonly failOnWarning?: boolean;
  readonly output: OutputFormat;
}

export function registerCheckCommand(program: Command, context: CliContext): void {
  const command = program
    .command("check")
    .summary("find what is wrong with the mesh, and what to do")
    .description(
      "Checks this machine, the control plane, certificates, proxies, resources and recent traffic, and says what to do about each fault.",
    )
    .option("--wait <duration>", "check again until nothing fails, for at most this long, e.g. 30s")
    .option("--fail-on-warning", "warnings fail, too")
    .addHelpText("after", EXAMPLES);
  addOutputOption(command).action((options: CheckOptions) => check(context, options));
}

async function check(context: CliContext, options: CheckOptions): Promise<void> {
  const waitMs = await parseWait(options.wait);
  const startMs = context.clock.nowMs();
  let results = await runChecks(context);
  while (hasFailed(results, options) && context.clock.nowMs() - startMs < waitMs) {
    await new Promise<void>((resolve) => void context.clock.after(RETRY_INTERVAL_MS, resolve, undefined));
    results = await runChecks(context);
  }
  if (options.output === "table") {
    const { formatReport } = await import("./check/check-report.ts");
    writeLines(context.stdout, formatReport(context.stdout, results));
  } else {
    await writeValue(context.stdout, options.output, { success: !hasFailed(results, options), checks: results });
  }
  if (hasFailed(results, options)) context.fail();
}

async function parseWait(text: string | undefined): Promise<number> {
  if (text === undefined) return 0;
  const [{ parseDurationMs }, { createUsageError }] = await Promise.all([
    import("../lib/duration.ts"),
    import("./usage-error.ts"),
  ]);
  const waitMs = parseDurationMs(text);
  if (waitMs === null)
    throw createUsageError(`Cannot read --wait: found "${text}"; expected a duration`, "For example 30s or 2m");
  return waitMs;
}

function hasFailed(results: readonly CheckResult[], options: CheckOptions): boolean {
  return results.some(
    (result) => result.outcome === "error" || (options.failOnWarning === true && result.outcome === "warning"),
  );
}

async function runChecks(context: CliContext): Promise<readonly CheckResult[]> {
  const [machine, controlPlane] = await Promise.all([
    import("./check/machine-checks.ts"),
    import("./check/control-plane-checks.ts"),
  ]);
  const bun = machine.findBundledBun(process.platform, process.arch);
  const ofMachine = machine.checkMachine({ nodeVersion: process.versions.node, bun });
  const { results, facts } = await controlPlane.checkControlPlane(context, TRAFFIC_WINDOW_MS);
  if (facts === null) return [...ofMachine, ...results];
  const [
    { checkIdentity },
    { checkProxies, dropEndedClients },
    { checkResources },
    { checkTraffic },
    { compileModel },
  ] = await Promise.all([
    import("./check/identity-checks.ts"),
    import("./check/proxy-checks.ts"),
    import("./check/resource-checks.ts"),
    import("./check/traffic-checks.ts"),
    import("../control/model/compile-model.ts"),
  ]);
  const wallMs = context.clock.wallMs();
  const model = compileModel(facts.resources, null);
  const proxies = dropEndedClients(facts.proxies, new Set(model.workloads.keys()));
  return [
    ...ofMachine,
    ...results,
    ...checkIdentity({ ...facts, proxies }, { wallMs, certificateLifetimeMs: model.settings.certificateLifetimeMs }),
    ...checkProxies(proxies, wallMs),
    ...checkResources(model, facts.resources, wallMs),
    ...checkTraffic(facts.traffic, TRAFFIC_WINDOW_NAME),
  ];
}

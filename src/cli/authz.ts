import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDurationMs } from "../lib/duration.ts";
import type { CanOptions } from "./authz/can.ts";
import type { AuditOptions, SuggestOptions } from "./authz/observed.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption } from "./output/format.ts";

const EXAMPLES = `
Examples:
  $ weft authz can web reviews GET /reviews/7
  $ weft authz audit
  $ weft authz suggest > access.yaml
`;

const CAN_EXAMPLES = `
Examples:
  $ weft authz can web reviews                        is there any request that web may send to reviews?
  $ weft authz can web reviews GET /reviews/7         this request
  $ weft authz can web db --port 5432                 a connection, where the port takes opaque bytes
  $ weft authz can shop/web sa/reviews POST / --header x-role=admin
  $ weft authz can batch reviews && echo allowed

SOURCE and DEST are a service account, a Service or a workload: NAME, NAMESPACE/NAME, or either behind sa/, svc/ or workload/.
Exit codes: 0 allowed, 1 denied, 2 the question makes no sense
`;

const SUGGEST_EXAMPLES = `
Examples:
  $ weft authz suggest                                read it, then:
  $ weft authz suggest > access.yaml && weft apply -f access.yaml
  $ weft authz suggest --since 24h --namespace shop
  $ weft authz suggest -o json | jq -r '.notes[]'
`;

const AUDIT_EXAMPLES = `
Examples:
  $ weft authz audit
  $ weft authz audit --since 24h -o json | jq '.items | length'
`;

type CanArguments = [
  source: string,
  destination: string,
  method: string | undefined,
  path: string | undefined,
  options: CanOptions,
];

const MIN_SINCE_MS = 1_000;
const MAX_SINCE_MS = 24 * 3_600_000;

export function registerAuthzCommand(program: Command, context: CliContext): void {
  const authz = program
    .command("authz")
    .summary("who may call whom, why, and what strict access would deny")
    .description(
      "Answers who may call whom, by the rules as the proxies have them; and finds, while access is permissive, the rules that strict access would need.",
    )
    .addHelpText("after", EXAMPLES);
  const can = authz
    .command("can")
    .summary("whether one may call another, and which rule says so")
    .description(
      "Says whether SOURCE may call DEST, which rule decides it and where that was written; and, when it is denied, what would allow it.",
    )
    .argument("<source>", "who calls")
    .argument("<dest>", "who is called")
    .argument("[method]", "of a request, with a path; left out: is any request allowed?")
    .argument("[path]", "of the request, with or without a query")
    .option("-n, --namespace <name>", "of names that do not say theirs", "default")
    .addOption(
      new Option("--port <port>", "the Service's, or where the instance listens (default: every port)").argParser(
        parsePort,
      ),
    )
    .addOption(
      new Option("--header <name=value>", "of the request; may be repeated (host: what was called)")
        .argParser(collectHeader)
        .default([], "none"),
    )
    .addHelpText("after", CAN_EXAMPLES);
  addOutputOption(can).action(async (...[source, destination, method, path, options]: CanArguments) => {
    const { can: answer } = await import("./authz/can.ts");
    await answer(context, { source, destination, method, path }, options);
  });
  const suggest = authz
    .command("suggest")
    .summary("the TrafficTargets that would allow what was observed")
    .description(
      "Writes the least TrafficTargets that would allow what was observed under permissive access and no rule allows yet, ready for `weft apply`. What could not be known stands in comments.",
    )
    .addOption(new Option("-o, --output <format>", "how to print").choices(["yaml", "json"]).default("yaml"))
    .addHelpText("after", SUGGEST_EXAMPLES);
  addObservedOptions(suggest).action(async (options: SuggestOptions) => {
    const { suggest: write } = await import("./authz/observed.ts");
    await write(context, options);
  });
  const audit = authz
    .command("audit")
    .summary("what strict access would deny of what was observed")
    .description("Shows the calls that permissive access let pass lately and strict access would deny.")
    .addHelpText("after", AUDIT_EXAMPLES);
  addOutputOption(addObservedOptions(audit)).action(async (options: AuditOptions) => {
    const { audit: show } = await import("./authz/observed.ts");
    await show(context, options);
  });
}

function addObservedOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--since <duration>", "seen how lately, 1s to 24h").argParser(parseSince).default(3_600_000, "1h"),
    )
    .option("-n, --namespace <name>", "only calls to service accounts of this namespace (default: all)");
}

function parseSince(text: string): number {
  const sinceMs = parseDurationMs(text);
  if (sinceMs !== null && sinceMs >= MIN_SINCE_MS && sinceMs <= MAX_SINCE_MS) return Math.round(sinceMs);
  throw new InvalidArgumentError("Expected a duration of 1s to 24h, such as 30m.");
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new InvalidArgumentError("Expected a port of 1 to 65535.");
  return port;
}

function collectHeader(text: string, before: CanOptions["header"]): CanOptions["header"] {
  const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\t\x20-\x7e]*)$/.exec(text);
  if (parts === null) throw new InvalidArgumentError("Expected NAME=VALUE, such as x-role=admin.");
  return [...before, [parts[1] ?? "", parts[2] ?? ""]];
}

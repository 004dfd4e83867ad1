import { type Command, InvalidArgumentError, Option } from "commander";
import { APP_PROTOCOLS, type AppProtocol, MAX_WORKERS } from "../proxy-node.ts";
import { isDnsLabel } from "../resources/name-schema.ts";
import type { CliContext } from "./context.ts";

const EXAMPLES = `
Examples:
  $ weft run billing -- node billing.mjs                 listens on the port in its PORT variable
  $ weft run files --port 8000 -- python3 -m http.server 8000
  $ weft run reviews --version v3 -- node reviews.mjs    one more version of a service
  $ weft run audit -n team-b -- node audit.mjs           in a namespace of its own: others call it audit.team-b
  $ weft run db --protocol tcp --service-port 5432 --port 5433 -- ./my-database
  $ weft run client -- curl -s http://reviews/           a client: listens on nothing, its exit code is passed on

The program runs under the service account of SERVICE: what it may call, and who may call it, is decided by that name.
`;

interface RunFlags {
  readonly namespace: string;
  readonly version?: string;
  readonly port?: number;
  readonly protocol?: AppProtocol;
  readonly servicePort?: number;
  readonly workers?: number | "auto";
  readonly zone?: string;
}

export function registerRunCommand(program: Command, context: CliContext): void {
  program
    .command("run")
    .summary("run one program as part of a running mesh")
    .description(
      "Runs a program with a sidecar beside it. Once it listens on its port it is an instance of SERVICE (made when there is none) and is started again when it ends. A program that ends without ever having listened was a client: its exit code is passed on.",
    )
    .argument("<service>", "whose instance, and under whose service account", parseLabel)
    .argument("<command...>", "the program and its parameters, after --")
    .addOption(
      new Option("-n, --namespace <name>", "where the Service and its account are")
        .argParser(parseLabel)
        .default("default"),
    )
    .addOption(
      new Option("--version <version>", "also an instance of the Service SERVICE-VERSION").argParser(parseLabel),
    )
    .addOption(
      new Option(
        "--port <port>",
        "where the program listens (default: what its PORT variable says, which weft assigns)",
      ).argParser(parsePort),
    )
    .addOption(
      new Option(
        "--protocol <protocol>",
        "http: HTTP/1.1, and HTTP/2 for gRPC; http2 and grpc: HTTP/2 in the clear; tcp: opaque bytes (default: the Service's, else http)",
      ).choices(APP_PROTOCOLS),
    )
    .addOption(
      new Option("--service-port <port>", "the port callers use (default: the Service's, else 80)").argParser(
        parsePort,
      ),
    )
    .addOption(
      new Option("--workers <n>", "processes that carry the sidecar's traffic, or auto (default: 1)").argParser(
        parseWorkers,
      ),
    )
    .addOption(
      new Option("--zone <zone>", "where it runs: callers of the same zone prefer it (default: unknown)").argParser(
        parseLabel,
      ),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (service: string, [command = "", ...parameters]: readonly string[], flags: RunFlags) => {
      const { runService } = await import("../runner/run.ts");
      await runService(context, {
        namespace: flags.namespace,
        service,
        version: flags.version ?? "",
        port: flags.port ?? null,
        protocol: flags.protocol ?? null,
        servicePort: flags.servicePort ?? null,
        workers: flags.workers ?? 1,
        zone: flags.zone ?? "",
        command,
        parameters,
      });
    });
}

function parseLabel(text: string): string {
  if (!isDnsLabel(text))
    throw new InvalidArgumentError("Expected 1 to 63 of a-z, 0-9 and -, starting and ending with a letter or digit.");
  return text;
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new InvalidArgumentError("Expected a port of 1 to 65535.");
  return port;
}

function parseWorkers(text: string): number | "auto" {
  if (text === "auto") return text;
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MAX_WORKERS) throw new InvalidArgumentError(`Expected 1 to ${MAX_WORKERS}, or auto.`);
  return count;
}

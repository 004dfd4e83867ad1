import { isIP } from "node:net";
import { type Command, InvalidArgumentError, Option } from "commander";
import { addApiOptions, type ApiFlags, readApiFlags } from "./api-options.ts";
import type { CliContext } from "./context.ts";

const EXAMPLES = `
Examples:
  $ weft up                              the nearest weft.yaml, upward from here
  $ weft up examples/shop/weft.yaml      another one
  $ weft up --quiet | tee weft.log       without what the apps print
  $ weft up --api-port 0 --xds-port 0    beside another mesh on this machine
  $ weft up --api-bind 0.0.0.0           the API for other machines, too: over TLS, for its users (weft user add)

The file is described in docs/weft-yaml.md. Ctrl-C drains and stops everything; a second one stops at once.
`;

const DEFAULT_API_ADDRESS = "127.0.0.1";
const DEFAULT_API_PORT = 9338;
const DEFAULT_XDS_PORT = 9339;

interface UpFlags extends ApiFlags {
  readonly apiBind: string;
  readonly quiet?: boolean;
  readonly accessLog: boolean;
  readonly apiPort: number;
  readonly xdsPort: number;
}

export function registerUpCommand(program: Command, context: CliContext): void {
  const command = program
    .command("up")
    .summary("run the mesh of a weft.yaml")
    .description(
      "Runs every service of a weft.yaml with a sidecar beside each instance, and the control plane, until Ctrl-C.",
    )
    .argument("[file]", "weft.yaml or its folder (default: the nearest one upward)")
    .option("-q, --quiet", "leave out what the apps print")
    .option("--no-access-log", "proxies write no access logs (they are in the state folder's logs/)")
    .addOption(portOption("--api-port <port>", "the API's port; 0 = any free port", DEFAULT_API_PORT))
    .addOption(
      new Option("--api-bind <address>", "where the API listens; anywhere but on loopback it speaks TLS alone")
        .default(DEFAULT_API_ADDRESS)
        .argParser(parseAddress),
    )
    .addOption(
      portOption("--xds-port <port>", "where proxies reach the control plane; 0 = any free port", DEFAULT_XDS_PORT),
    )
    .addHelpText("after", EXAMPLES);
  addApiOptions(command).action(async (file: string | undefined, flags: UpFlags) => {
    const { runUp } = await import("../runner/up.ts");
    await runUp(context, {
      file,
      home: chosenHome(program, context),
      isQuiet: flags.quiet === true,
      hasAccessLog: flags.accessLog,
      api: { address: flags.apiBind, port: flags.apiPort, ...readApiFlags(flags) },
      xdsPort: flags.xdsPort,
    });
  });
}

/** `--home` or WEFT_HOME; without them the state lies beside the weft.yaml that was named, wherever that is. */
function chosenHome(program: Command, context: CliContext): string | null {
  const chosen: unknown = program.opts()["home"];
  const home = typeof chosen === "string" ? chosen : context.environment["WEFT_HOME"];
  return home === undefined || home === "" ? null : home;
}

function parseAddress(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError("Expected an IP address, e.g. 0.0.0.0 or 10.0.0.5.");
  return text;
}

function portOption(flags: string, description: string, byDefault: number): Option {
  return new Option(flags, description).default(byDefault).argParser((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
    if (port < 0 || port > 65_535) throw new InvalidArgumentError("Expected a port of 0 to 65535.");
    return port;
  });
}

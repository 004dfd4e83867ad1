import { type Command, InvalidArgumentError, Option } from "commander";
import type { CliContext } from "./context.ts";

const EXAMPLES = `
Examples:
  $ weft up                              the nearest weft.yaml, upward from here
  $ weft up examples/shop/weft.yaml      another one
  $ weft up --quiet | tee weft.log       without what the apps print
  $ weft up --api-port 0 --xds-port 0    beside another mesh on this machine

The file is described in docs/weft-yaml.md. Ctrl-C drains and stops everything; a second one stops at once.
`;

const DEFAULT_API_PORT = 9338;
const DEFAULT_XDS_PORT = 9339;

interface UpFlags {
  readonly quiet?: boolean;
  readonly accessLog: boolean;
  readonly apiPort: number;
  readonly xdsPort: number;
}

export function registerUpCommand(program: Command, context: CliContext): void {
  program
    .command("up")
    .summary("run the mesh of a weft.yaml")
    .description(
      "Runs every service of a weft.yaml with a sidecar beside each instance, and the control plane, until Ctrl-C.",
    )
    .argument("[file]", "weft.yaml or its folder (default: the nearest one upward)")
    .option("-q, --quiet", "leave out what the apps print")
    .option("--no-access-log", "proxies write no access logs (they are in the state folder's logs/)")
    .addOption(
      portOption("--api-port <port>", "where the API listens on 127.0.0.1; 0 = any free port", DEFAULT_API_PORT),
    )
    .addOption(
      portOption("--xds-port <port>", "where proxies reach the control plane; 0 = any free port", DEFAULT_XDS_PORT),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (file: string | undefined, flags: UpFlags) => {
      const { runUp } = await import("../runner/up.ts");
      await runUp(context, {
        file,
        home: chosenHome(program, context),
        isQuiet: flags.quiet === true,
        hasAccessLog: flags.accessLog,
        apiPort: flags.apiPort,
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

function portOption(flags: string, description: string, byDefault: number): Option {
  return new Option(flags, description).default(byDefault).argParser((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
    if (port < 0 || port > 65_535) throw new InvalidArgumentError("Expected a port of 0 to 65535.");
    return port;
  });
}

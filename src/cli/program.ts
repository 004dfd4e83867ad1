import { Command, CommanderError } from "commander";
import { findHome, readApiAccess } from "../apiserver/api-access.ts";
import type { ApiClient } from "../apiserver/api-client.ts";
import { WEFT_VERSION } from "../version.ts";
import { COMMANDS } from "./commands.ts";
import type { CliContext, CliHost } from "./context.ts";
import { printError } from "./output/error-printer.ts";
import { isUsageError } from "./usage-error.ts";

const DESCRIPTION =
  "weft is a service mesh: mutual TLS, traffic splitting, access control and sight for services that talk HTTP, gRPC or TCP, with one command and no Kubernetes.";

const AFTER_HELP = `
Start here:
  $ weft up                        run the mesh of the nearest weft.yaml
  $ weft check                     see what is wrong, and what to do about it
  $ weft COMMAND --help            read more, with examples

Exit codes: 0 fine, 1 the thing failed, 2 the command line is wrong
`;

const SHARED_OPTIONS: readonly string[] = ["home", "debug"];

/** Options that stand before the command and take a value. */
const VALUE_OPTIONS: readonly string[] = ["--home"];

/** One run of the command line, from arguments (without node and script) to exit code. Never rejects. */
export async function runCli(argv: readonly string[], host: CliHost): Promise<number> {
  let exitCode = 0;
  const program = new Command("weft");
  const context: CliContext = {
    ...host,
    findHome: () => homeOf(program, host),
    openApi: () => openApi(program, host),
    fail: (code = 1) => {
      exitCode = code;
    },
  };
  configureProgram(program, host);
  try {
    await addCommands(program, context, chooseCommands(argv));
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    printError(host.stderr, error, { debug: program.opts()["debug"] === true });
    return isUsageError(error) ? 2 : 1;
  }
}

/** Every command of `weft`, for what needs the whole tree: completion, and the test that docs name each. */
export async function createFullProgram(context: CliContext): Promise<Command> {
  const program = new Command("weft");
  configureProgram(program, context);
  await addCommands(program, context, Object.keys(COMMANDS));
  return program;
}

async function addCommands(program: Command, context: CliContext, names: readonly string[]): Promise<void> {
  for (const name of names) (await COMMANDS[name]?.())?.(program, context);
  for (const command of program.commands) addSharedOptions(command);
}

/** Subcommands inherit these settings, so this comes before any is added. */
function configureProgram(program: Command, host: CliHost): void {
  program
    .description(DESCRIPTION)
    .version(`weft ${WEFT_VERSION}`, "-V, --version", "print the version of this program")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .enablePositionalOptions()
    .hook("preAction", (_program, command) => shareOptions(program, command))
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .configureOutput({
      writeOut: host.stdout.write,
      writeErr: host.stderr.write,
      getOutHelpWidth: () => host.stdout.size().columns,
      getErrHelpWidth: () => host.stderr.size().columns,
      getOutHasColors: () => host.stdout.hasColor,
      getErrHasColors: () => host.stderr.hasColor,
    })
    .showSuggestionAfterError(true)
    .showHelpAfterError("(add --help for usage and examples)")
    .exitOverride()
    .addHelpText("after", (help) => (help.command === program ? AFTER_HELP : ""));
  addOwnSharedOptions(program);
}

/** Every command takes them, before its name and after: `weft --home x get svc`, `weft get svc --home x`. */
function addSharedOptions(command: Command): void {
  addOwnSharedOptions(command);
  for (const child of command.commands) addSharedOptions(child);
}

function addOwnSharedOptions(command: Command): void {
  command
    .option("--home <folder>", "state folder of the mesh (default: WEFT_HOME, else .weft beside the nearest weft.yaml)")
    .option("--debug", "print the stack of an error");
}

/**
 * Options belong to the command they stand behind, so that `run` can have a --version of its own. What a command was
 * given of the shared ones is passed up to the program, where everybody looks for it.
 */
function shareOptions(program: Command, command: Command): void {
  for (let at: Command | null = command; at !== null && at !== program; at = at.parent) {
    for (const name of SHARED_OPTIONS) {
      const value: unknown = at.getOptionValue(name);
      if (value !== undefined) program.setOptionValue(name, value);
    }
  }
}

/** The one command that was asked for, or all of them when that is not clear (help, a misspelt name). */
function chooseCommands(argv: readonly string[]): readonly string[] {
  let first = 0;
  while (argv[first]?.startsWith("-") === true) first += VALUE_OPTIONS.includes(argv[first] ?? "") ? 2 : 1;
  const word = argv[first] ?? "";
  const name = word === "help" ? (argv[first + 1] ?? "") : word;
  return Object.hasOwn(COMMANDS, name) ? [name] : Object.keys(COMMANDS);
}

function homeOf(program: Command, host: CliHost): string {
  const chosen: unknown = program.opts()["home"];
  return findHome({ cwd: host.cwd, weftHome: typeof chosen === "string" ? chosen : host.environment["WEFT_HOME"] });
}

async function openApi(program: Command, host: CliHost): Promise<ApiClient> {
  const { createHomeClient } = await import("../apiserver/api-client.ts");
  const access = readApiAccess(homeOf(program, host));
  return createHomeClient(access);
}

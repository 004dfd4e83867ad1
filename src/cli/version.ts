import type { Command } from "commander";
import { WeftError } from "../lib/weft-error.ts";
import { WEFT_VERSION } from "../version.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat, writeValue } from "./output/format.ts";

const EXAMPLES = `
Examples:
  $ weft version
  $ weft version --client                   without asking the control plane
`;

interface VersionOptions {
  readonly client?: boolean;
  readonly output: OutputFormat;
}

interface ControlPlaneVersion {
  readonly version: string | null;
  readonly url: string | null;
  /** Null when the version is known. */
  readonly problem: string | null;
}

export function registerVersionCommand(program: Command, context: CliContext): void {
  const command = program
    .command("version")
    .summary("show the versions of weft and of the control plane")
    .description("Shows the version of this program and of the control plane it would talk to.")
    .option("--client", "only this program")
    .addHelpText("after", EXAMPLES);
  addOutputOption(command).action((options: VersionOptions) => version(context, options));
}

async function version(context: CliContext, options: VersionOptions): Promise<void> {
  const runtime = `${process.release.name} ${process.version}`;
  const controlPlane = options.client === true ? null : await askControlPlane(context);
  if (options.output !== "table") {
    await writeValue(context.stdout, options.output, {
      client: { version: WEFT_VERSION, runtime },
      ...(controlPlane === null ? {} : { controlPlane }),
    });
    return;
  }
  context.stdout.write(`weft ${WEFT_VERSION} (${runtime})\n`);
  if (controlPlane !== null) context.stdout.write(`control plane: ${describe(controlPlane)}\n`);
}

/** That there is no control plane is an answer here, not a failure. */
async function askControlPlane(context: CliContext): Promise<ControlPlaneVersion> {
  let url: string | null = null;
  try {
    const client = await context.openApi();
    url = client.baseUrl;
    try {
      return { version: (await client.mesh()).weftVersion, url, problem: null };
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    const isAbsent = error.code === "WEFT_API_NOT_STARTED" || error.code === "WEFT_API_UNREACHABLE";
    return { version: null, url, problem: isAbsent ? "not running" : error.message };
  }
}

function describe(controlPlane: ControlPlaneVersion): string {
  const place = controlPlane.url === null ? "" : ` at ${controlPlane.url}`;
  return `${controlPlane.version ?? controlPlane.problem ?? "unknown"}${place}`;
}

import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { registerBundleCommand } from "./identity/bundle-command.ts";
import { registerTrustCommands } from "./identity/trust-commands.ts";
import { registerRevokeCommands } from "./identity/revoke-command.ts";

const EXAMPLES = `
Examples:
  $ weft identity status
  $ weft identity rotate --wait
  $ weft identity revoke default/web-0 --reason "key leaked"
  $ weft identity unrevoke default/web-0
  $ weft identity bundle --format spiffe
`;

export function registerIdentityCommand(program: Command, context: CliContext): void {
  const identity = program
    .command("identity")
    .summary("certificates: who has them, who is cut off, whom others may believe")
    .description("Shows and changes what the mesh's identities rest on.")
    .addHelpText("after", EXAMPLES);
  registerTrustCommands(identity, context);
  registerRevokeCommands(identity, context);
  registerBundleCommand(identity, context);
}

import type { Command } from "commander";
import type { CliContext } from "../context.ts";

const REVOKE_EXAMPLES = `
Examples:
  $ weft identity revoke default/web-0                       one instance, whatever certificate it has or asks for
  $ weft identity revoke spiffe://shop/ns/default/sa/web     everyone with this identity
  $ weft identity revoke 4f:1a:…:09 --reason "key leaked"    one certificate, by its serial number

Open connections of whoever is revoked are cut within seconds, by every proxy. See docs/revocation-and-federation.md.
`;

const UNREVOKE_EXAMPLES = `
Examples:
  $ weft identity unrevoke default/web-0
`;

const WHAT = "<namespace>/<workload>, a SPIFFE ID, or a certificate's serial number";

export function registerRevokeCommands(identity: Command, context: CliContext): void {
  identity
    .command("revoke")
    .summary("cut a workload off, open connections included")
    .description(
      "Makes a Revocation: every proxy refuses the subject and cuts its connections, the CA gives it nothing.",
    )
    .argument("<subject>", WHAT)
    .option("--reason <text>", "why, for people")
    .addHelpText("after", REVOKE_EXAMPLES)
    .action(async (subject: string, { reason }: { readonly reason?: string }) => {
      const { revoke } = await import("./revoke.ts");
      await revoke(context, subject, reason ?? null);
    });
  identity
    .command("unrevoke")
    .summary("take a revocation back")
    .description("Deletes the Revocation of this subject; it may connect again at once.")
    .argument("<subject>", WHAT)
    .addHelpText("after", UNREVOKE_EXAMPLES)
    .action(async (subject: string) => {
      const { unrevoke } = await import("./revoke.ts");
      await unrevoke(context, subject);
    });
}

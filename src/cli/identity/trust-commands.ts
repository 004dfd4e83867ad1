import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { addOutputOption, type OutputFormat } from "../output/format.ts";
import type { ImportOptions, RotateOptions } from "./rotate.ts";
import type { RecoverOptions } from "./recover.ts";

const STATUS_EXAMPLES = `
Examples:
  $ weft identity status
  $ weft identity status -o json | jq '.authorities[] | {fingerprint, notAfterWallMs}'
`;

const ROTATE_EXAMPLES = `
Examples:
  $ weft identity rotate --wait              a new root; nothing is restarted, no call fails
  $ weft identity rotate --dry-run           whom it would wait for
  $ weft identity rotate --leave-offline     proxies that are not connected are not waited for: they join anew later
  $ weft identity rotate --now --yes         the key was stolen: the old root is believed no more from this moment

By itself a mesh begins this when a tenth of its root's life is left. See docs/identity.md.
`;

const IMPORT_EXAMPLES = `
Examples:
  $ weft identity import --key mesh-ca.key --cert mesh-ca.pem --chain corp-root.pem --wait
`;

const VERIFY_EXAMPLES = `
Examples:
  $ weft identity verify                     every proxy
  $ weft identity verify default/web-0
`;

const RECOVER_EXAMPLES = `
Examples:
  $ weft identity recover && weft up         after WEFT_CA_EXPIRED
`;

/** What is done to, and known of, the mesh's roots. */
export function registerTrustCommands(identity: Command, context: CliContext): void {
  const status = identity
    .command("status")
    .summary("the roots, what rests on them, and a rotation of them")
    .description(
      "Shows the mesh's roots, how many workloads have certificates of which, what ends when, and a rotation.",
    )
    .addHelpText("after", STATUS_EXAMPLES);
  addOutputOption(status).action(async ({ output }: { readonly output: OutputFormat }) => {
    const { showStatus } = await import("./status.ts");
    await showStatus(context, output);
  });
  addWaiting(
    identity
      .command("rotate")
      .summary("change the mesh's root for a new one, while everything runs")
      .description(
        "Makes a new root, gives it to every proxy, signs with it once all have it, and withdraws the old one once no certificate of it is in use.",
      )
      .option("--now", "withdraw the old root at once: every workload has to join anew, calls fail until it has")
      .option("--yes", "with --now: yes, really")
      .option("--dry-run", "begin nothing; say what would be waited for")
      .addHelpText("after", ROTATE_EXAMPLES),
  ).action(async (options: RotateOptions) => {
    const { rotate } = await import("./rotate.ts");
    await rotate(context, options);
  });
  addWaiting(
    identity
      .command("import")
      .summary("let your own root or intermediate sign, while everything runs")
      .description("Changes the mesh's authority for one that you give, in the steps of `weft identity rotate`.")
      .requiredOption("--key <file>", "its private key: PEM, PKCS#8, P-256")
      .requiredOption("--cert <file>", "its certificate, PEM; further ones may follow")
      .option("--chain <file>", "the authorities above it up to a root, PEM")
      .addHelpText("after", IMPORT_EXAMPLES),
  ).action(async (options: ImportOptions) => {
    const { importAuthority } = await import("./rotate.ts");
    await importAuthority(context, options);
  });
  const verify = identity
    .command("verify")
    .summary("whether every proxy has the roots and a certificate of one")
    .description(
      "Checks each proxy's roots and certificate, and says what is wrong and what to do. Exit code 1: something is.",
    )
    .argument("[workload]", 'namespace/workload; a workload alone is in "default"')
    .addHelpText("after", VERIFY_EXAMPLES);
  addOutputOption(verify).action(
    async (workload: string | undefined, { output }: { readonly output: OutputFormat }) => {
      const { verifyIdentities } = await import("./verify.ts");
      await verifyIdentities(context, workload ?? null, output);
    },
  );
  identity
    .command("recover")
    .summary("make a new root when the old one has ended")
    .description(
      "For a control plane that does not start, as its root has ended: makes a new root in this home. Every workload joins anew at the next start.",
    )
    .option("--trust-domain <domain>", "where the old root names none")
    .option("--force", "although the old root is still valid")
    .addHelpText("after", RECOVER_EXAMPLES)
    .action(async (options: RecoverOptions) => {
      const { recover } = await import("./recover.ts");
      await recover(context, options);
    });
}

function addWaiting(command: Command): Command {
  return command
    .option("--leave-offline", "do not wait for proxies that are not connected: they have to join anew")
    .option("--wait", "until it is done; progress goes to standard error");
}

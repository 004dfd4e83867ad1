import { type Command, Option } from "commander";
import type { CliContext } from "../context.ts";

const EXAMPLES = `
Examples:
  $ weft identity bundle > shop.pem
  $ weft identity bundle --format spiffe > shop.json     for other implementations of SPIFFE
  $ weft identity bundle --format resource | WEFT_HOME=../bank/.weft weft apply -f -
`;

export type BundleFormat = "pem" | "spiffe" | "resource";

export function registerBundleCommand(identity: Command, context: CliContext): void {
  identity
    .command("bundle")
    .summary("the mesh's roots, for another trust domain")
    .description("Prints what others need to believe this mesh's certificates: its roots, which are public.")
    .addOption(
      new Option("--format <format>", "PEM, SPIFFE's JSON (a JWK Set), or a TrustBundle to be applied there")
        .choices(["pem", "spiffe", "resource"])
        .default("pem"),
    )
    .addHelpText("after", EXAMPLES)
    .action(async ({ format }: { readonly format: BundleFormat }) => {
      const { printBundle } = await import("./bundle.ts");
      await printBundle(context, format);
    });
}

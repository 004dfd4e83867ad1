import { type Command, InvalidArgumentError, Option } from "commander";
import { isDnsLabel, isDnsSubdomain } from "../resources/name-schema.ts";
import type { UserRole } from "../resources/user.ts";
import type { CliContext } from "./context.ts";
import { addOutputOption, type OutputFormat } from "./output/format.ts";

const EXAMPLES = `
Examples:
  $ weft user add alice --role editor
  $ weft user list
  $ weft user remove alice
`;

const ADD_EXAMPLES = `
Examples:
  $ weft user add alice --role editor                         writes alice.kubeconfig, which holds her token
  $ weft user add ci --role editor --namespace shop --expires 12h --kubeconfig ci.yaml
  $ weft user add bob --role viewer --certificate             a client certificate instead of a token
  $ weft user add grafana --role viewer --expires never --token-only

A user that exists gets one more token or certificate; its role and namespaces must be the same. The secret is shown
once: the mesh keeps a hash of it. See docs/api-access.md.
`;

const LIST_EXAMPLES = `
Examples:
  $ weft user list
  $ weft user list -o yaml
`;

const REMOVE_EXAMPLES = `
Examples:
  $ weft user remove alice
`;

const ROLES: readonly UserRole[] = ["admin", "editor", "viewer"];
/** Long enough not to be in the way, short enough that what is forgotten ends. */
const DEFAULT_EXPIRY = "30d";
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const MIN_EXPIRY_MS = 60_000;
const MAX_EXPIRY_MS = 366 * 86_400_000;

interface AddFlags {
  readonly role: UserRole;
  readonly namespace?: readonly string[];
  readonly expires: number | "never";
  readonly certificate?: boolean;
  readonly kubeconfig?: string;
  readonly server?: string;
  readonly tokenOnly?: boolean;
}

export function registerUserCommand(program: Command, context: CliContext): void {
  const user = program
    .command("user")
    .summary("say who may use the API")
    .description("Adds, lists and removes the users of the API, beside the holder of the mesh's own token.")
    .addHelpText("after", EXAMPLES);
  user
    .command("add")
    .summary("let somebody use the API")
    .description("Makes a user, or one more credential for one, and writes a kubeconfig that holds it.")
    .argument("<name>", "of the user", parseName)
    .addOption(new Option("--role <role>", "what it may do").choices(ROLES).makeOptionMandatory())
    .addOption(
      new Option("-n, --namespace <name>", "only there; may be given again (default: everywhere)").argParser(collect),
    )
    .addOption(
      new Option("--expires <time>", "when the credential ends: 30m, 12h, 30d, or never")
        .default(parseExpiry(DEFAULT_EXPIRY), DEFAULT_EXPIRY)
        .argParser(parseExpiry),
    )
    .option("--certificate", "a client certificate instead of a token")
    .option("--kubeconfig <file>", "where to write it (default: NAME.kubeconfig)")
    .option("--server <url>", "the API as that user reaches it, e.g. https://weft.internal:9338")
    .option("--token-only", "print the token and write no kubeconfig")
    .addHelpText("after", ADD_EXAMPLES)
    .action(async (name: string, flags: AddFlags) => {
      const { addUser } = await import("./add-user.ts");
      await addUser(context, {
        name,
        role: flags.role,
        namespaces: flags.namespace ?? null,
        expiresMs: flags.expires === "never" ? null : flags.expires,
        credential: flags.certificate === true ? "certificate" : "token",
        kubeconfig: flags.kubeconfig ?? null,
        server: flags.server ?? null,
        isTokenOnly: flags.tokenOnly === true,
      });
    });
  const list = user
    .command("list")
    .summary("every user and what it may do")
    .description("Lists the users of the API. Their tokens cannot be shown: only hashes of them are kept.")
    .addHelpText("after", LIST_EXAMPLES);
  addOutputOption(list).action(async ({ output }: { readonly output: OutputFormat }) => {
    const { showResources } = await import("./get.ts");
    await showResources(context, "users", output);
  });
  user
    .command("remove")
    .summary("end somebody's access")
    .description("Removes a user. Its tokens and certificates are refused at once, and its open watches end.")
    .argument("<name>", "of the user", parseName)
    .addHelpText("after", REMOVE_EXAMPLES)
    .action(async (name: string) => {
      const { removeUser } = await import("./add-user.ts");
      await removeUser(context, name);
    });
}

function parseName(text: string): string {
  if (!isDnsSubdomain(text))
    throw new InvalidArgumentError("Expected a name of a-z, 0-9, - and ., at most 253 characters.");
  return text;
}

function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  if (!isDnsLabel(text)) throw new InvalidArgumentError("Expected the name of a namespace.");
  return [...new Set([...(before ?? []), text])];
}

function parseExpiry(text: string): number | "never" {
  if (text === "never") return text;
  const [, amount = "", unit = ""] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(amount) * (UNIT_MS[unit] ?? Number.NaN);
  if (!(ms >= MIN_EXPIRY_MS && ms <= MAX_EXPIRY_MS))
    throw new InvalidArgumentError("Expected 1m to 366d, e.g. 12h or 30d, or never.");
  return ms;
}

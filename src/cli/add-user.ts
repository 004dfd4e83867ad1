import { createHash, generateKeyPairSync } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { formatKubeconfig, type KubeconfigOptions } from "../apiserver/access/kubeconfig.ts";
import { type ApiAccess, readApiAccess } from "../apiserver/api-access.ts";
import type { ApiClient } from "../apiserver/api-client.ts";
import { encodeCertificateRequest } from "../identity/csr.ts";
import { WeftError } from "../lib/weft-error.ts";
import { MAX_USER_CREDENTIALS, type User, type UserRole, type UserSpec } from "../resources/user.ts";
import { formatWallTime, parseWallTime } from "../time/wall-time.ts";
import type { CliContext } from "./context.ts";
import { createUsageError } from "./usage-error.ts";

export interface AddUserOptions {
  readonly name: string;
  readonly role: UserRole;
  /** Null: all. */
  readonly namespaces: readonly string[] | null;
  /** Null: never. */
  readonly expiresMs: number | null;
  readonly credential: "token" | "certificate";
  /** Null: `<name>.kubeconfig`. */
  readonly kubeconfig: string | null;
  readonly server: string | null;
  readonly isTokenOnly: boolean;
}

interface Added {
  readonly credential: KubeconfigOptions["credential"];
  /** Null: it does not end. */
  readonly notAfter: string | null;
}

const USER = { group: "weft.dev", kind: "User", namespace: "" } as const;
/** So that scanners, and people, know one when they see it. */
const TOKEN_PREFIX = "weftu_";
const TOKEN_BYTES = 32;
/** The longest that the mesh's authority signs; a certificate always ends. */
const MAX_CERTIFICATE_MS = 366 * 86_400_000;

/** Makes the user or adds to it, and hands over the secret: in a file of 0600, or on standard output. */
export async function addUser(context: CliContext, options: AddUserOptions): Promise<void> {
  assertSensible(options);
  const access = readApiAccess(context.findHome());
  const client = await context.openApi();
  try {
    const user = await ensureUser(client, options);
    if (options.isTokenOnly) {
      const { credential } = await addToken(context, client, user, options);
      if ("token" in credential) context.stdout.write(`${credential.token}\n`);
      return;
    }
    const path = resolve(context.cwd, options.kubeconfig ?? `${options.name}.kubeconfig`);
    // Before there is a secret that could not be written down.
    createFile(path);
    try {
      const isToken = options.credential === "token";
      const added = await (isToken ? addToken : addCertificate)(context, client, user, options);
      writeFileSync(path, formatKubeconfig(toKubeconfig(access, options, added.credential)), { mode: 0o600 });
      say(context, { ...options, path }, added.notAfter);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  } finally {
    client.close();
  }
}

export async function removeUser(context: CliContext, name: string): Promise<void> {
  const client = await context.openApi();
  try {
    if ((await client.delete({ ...USER, name })) === null) {
      throw new WeftError("WEFT_API_NOT_FOUND", `Cannot remove the user "${name}": found none of this name`, {
        hint: "Names: `weft user list`",
      });
    }
    context.stdout.write(`user/${name} removed; its tokens and certificates are refused from now on\n`);
  } finally {
    client.close();
  }
}

function assertSensible({ credential, expiresMs, isTokenOnly, namespaces, role, server }: AddUserOptions): void {
  const cannot = (found: string, hint: string): Error => createUsageError(`Cannot add a user: found ${found}`, hint);
  if (role === "admin" && namespaces !== null)
    throw cannot("--namespace with the role admin", "An admin may do everything: leave --namespace out");
  if (credential === "certificate" && isTokenOnly) throw cannot("--token-only with --certificate", "Take one of them");
  if (credential === "certificate" && expiresMs === null)
    throw cannot("--expires never with --certificate", "Certificates end: at most --expires 366d");
  if (server !== null && !/^https:\/\/[^/\s]+\/?$/.test(server))
    throw cannot(
      `--server ${JSON.stringify(server)}`,
      "Give https://host:port: kubectl sends no credentials in the clear",
    );
}

async function ensureUser(client: ApiClient, { name, namespaces, role }: AddUserOptions): Promise<User> {
  const found = (await client.get({ ...USER, name })) as User | null;
  const spec: UserSpec = { role, ...(namespaces === null ? {} : { namespaces }), tokens: [], certificates: [] };
  if (found === null) {
    const metadata = { name, namespace: "" };
    return (await client.create({ apiVersion: "weft.dev/v1alpha1", kind: "User", metadata, spec })) as User;
  }
  const isSame = found.spec.role === role && listPlaces(found.spec) === listPlaces(spec);
  if (isSame) return found;
  throw new WeftError(
    "WEFT_USER_EXISTS",
    `Cannot add the user "${name}": found one that is ${found.spec.role} in ${listPlaces(found.spec)}; expected none, or one that is ${role} in ${listPlaces(spec)}`,
    { hint: `Change it: kubectl edit user ${name}; or remove it first: weft user remove ${name}` },
  );
}

function listPlaces({ namespaces }: UserSpec): string {
  return namespaces === undefined ? "all namespaces" : namespaces.toSorted().join(", ");
}

/** What has ended makes room. */
async function addToken(
  { clock, random }: CliContext,
  client: ApiClient,
  user: User,
  { expiresMs }: AddUserOptions,
): Promise<Added> {
  const token = `${TOKEN_PREFIX}${Buffer.from(random.bytes(TOKEN_BYTES)).toString("base64url")}`;
  const sha256 = createHash("sha256").update(token).digest("hex");
  const notAfter = expiresMs === null ? null : formatWallTime(clock.wallMs() + expiresMs);
  const kept = user.spec.tokens.filter((one) => !(parseWallTime(one.notAfter ?? "") <= clock.wallMs()));
  if (kept.length >= MAX_USER_CREDENTIALS) {
    throw new WeftError(
      "WEFT_USER_TOKENS",
      `Cannot add a token to the user "${user.metadata.name}": found ${kept.length} that have not ended; expected fewer than ${MAX_USER_CREDENTIALS}`,
      { hint: `Take some out: kubectl edit user ${user.metadata.name}` },
    );
  }
  const tokens = [...kept, { sha256, ...(notAfter === null ? {} : { notAfter }) }];
  await client.replace({ ...user, spec: { ...user.spec, tokens } });
  return { credential: { token }, notAfter };
}

/** The key never leaves this process but into the kubeconfig. */
async function addCertificate(
  _context: CliContext,
  client: ApiClient,
  user: User,
  { expiresMs }: AddUserOptions,
): Promise<Added> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const { certificatePem, notAfter } = await client.issueUserCertificate(user.metadata.name, {
    requestDer: encodeCertificateRequest(privateKey),
    lifetimeMs: expiresMs ?? MAX_CERTIFICATE_MS,
  });
  return { credential: { certificatePem, keyPem }, notAfter };
}

function toKubeconfig(
  { caPem, endpoints }: ApiAccess,
  { name, namespaces, server }: AddUserOptions,
  credential: KubeconfigOptions["credential"],
): KubeconfigOptions {
  return {
    mesh: endpoints.mesh ?? "weft",
    user: name,
    server: server ?? endpoints.server ?? endpoints.api,
    caPem: endpoints.serverCertificate === "given" ? null : (caPem ?? null),
    credential,
    namespace: namespaces?.[0] ?? "default",
  };
}

function createFile(path: string): void {
  try {
    writeFileSync(path, "", { mode: 0o600, flag: "wx" });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new WeftError(
      "WEFT_USER_KUBECONFIG",
      `Cannot write the kubeconfig "${path}": found ${code === "EEXIST" ? "a file there" : code}; expected a new file`,
      { hint: "Name another one: --kubeconfig FILE", cause: error },
    );
  }
}

function say(
  { stdout }: CliContext,
  { name, namespaces, path, role }: AddUserOptions & { readonly path: string },
  notAfter: string | null,
): void {
  const places = namespaces === null ? "" : ` in ${namespaces.join(", ")}`;
  stdout.write(`user/${name} is ${role}${places}, ${notAfter === null ? "without an end" : `until ${notAfter}`}\n`);
  stdout.write(`  kubectl --kubeconfig ${path}: it holds the secret, and is readable by you alone\n`);
}

import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, type IncomingMessage, request as plainRequest } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ApiClient, createApiClient } from "../apiserver/api-client.ts";
import { encodeCertificateRequest } from "../identity/csr.ts";
import { silentLog } from "../lib/log.ts";
import { systemRandom } from "../random/system-random.ts";
import type { UserSpec } from "../resources/user.ts";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import { formatWallTime } from "../time/wall-time.ts";
import type { KeyPair } from "../transport/transport.ts";
import { openCertificateAuthority } from "./ca/certificate-authority.ts";
import { PeerVerifier } from "./ca/peer-verifier.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { FileSecrets } from "./secrets/file-secrets.ts";

const TOKEN = "t".repeat(43);
const LIFETIME_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "weft-access-"));
const audit = join(folder, "audit.jsonl");
/** Added to the wall clock of the control plane. */
let shiftMs = 0;
const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + shiftMs };
let plane: ControlPlane;
let other: ControlPlane;
let admin: ApiClient;

function start(mesh: string, address: string, auditFile: string | null): Promise<ControlPlane> {
  return startControlPlane({
    stateDir: join(folder, mesh),
    meshName: mesh,
    // The same: only its root tells one mesh from the other.
    trustDomain: "shop.mesh",
    api: { address, port: 0 },
    xds: { address: "127.0.0.1", port: 0 },
    apiToken: mesh === "shop" ? TOKEN : "o".repeat(43),
    auditFile,
    defaults: { access: "permissive", egress: "deny", certificateLifetime: "24h" },
    clock,
    random: systemRandom,
    log: silentLog,
  });
}

before(async () => {
  plane = await start("shop", "127.0.0.1", audit);
  other = await start("other", "0.0.0.0", null);
  admin = createApiClient({ baseUrl: `http://127.0.0.1:${plane.apiPort}`, token: TOKEN });
});

after(async () => {
  admin.close();
  await plane.close();
  await other.close();
  rmSync(folder, { recursive: true, force: true });
});

function userResource(name: string, spec: Partial<UserSpec>) {
  return {
    apiVersion: "weft.dev/v1alpha1",
    kind: "User",
    metadata: { name, namespace: "" },
    spec: { role: "viewer", tokens: [], certificates: [], ...spec },
  };
}

function hash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

async function addTokenUser(name: string, spec: Partial<UserSpec> = {}, notAfterMs?: number): Promise<string> {
  const token = `token-of-${name}`;
  const end = notAfterMs === undefined ? {} : { notAfter: formatWallTime(notAfterMs) };
  await admin.create(userResource(name, { ...spec, tokens: [{ sha256: hash(token), ...end }] }));
  return token;
}

async function addCertificateUser(client: ApiClient, name: string, lifetimeMs: number = LIFETIME_MS): Promise<KeyPair> {
  await client.create(userResource(name, { role: "admin" }));
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const requestDer = encodeCertificateRequest(privateKey);
  const { certificatePem } = await client.issueUserCertificate(name, { requestDer, lifetimeMs });
  return {
    certificateChainPem: certificatePem,
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** Of the mesh's own authority, for a workload. */
async function issueSvid(): Promise<KeyPair> {
  const secrets = new FileSecrets({ folder: join(folder, "shop"), clock });
  const authority = await openCertificateAuthority({ secrets, trustDomain: "shop.mesh", clock, random: systemRandom });
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyDer = publicKey.export({ type: "spki", format: "der" });
  const binding = { namespace: "default", serviceAccount: "web", workload: "web-0" };
  const { certificateChainPem } = await authority.issue({ ...binding, publicKeyDer, lifetimeMs: LIFETIME_MS });
  return { certificateChainPem, keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

interface Sender {
  readonly agent: Agent;
  readonly headers: Readonly<Record<string, string>>;
  readonly isTls: boolean;
}

/** Over TLS with a certificate; with a token in plain HTTP. */
function createSender(credential: KeyPair | string | null, isTls: boolean = typeof credential === "object"): Sender {
  const isToken = typeof credential === "string";
  const keyPair =
    credential === null || isToken ? {} : { cert: credential.certificateChainPem, key: credential.keyPem };
  const agent = isTls
    ? new TlsAgent({ keepAlive: true, maxSockets: 4, ca: plane.trustBundlePem, servername: "localhost", ...keyPair })
    : new Agent({ keepAlive: true, maxSockets: 4 });
  return { agent, isTls, headers: isToken ? { authorization: `Bearer ${credential}` } : {} };
}

function open(
  { agent, headers, isTls }: Sender,
  method: string,
  path: string,
  body: unknown = null,
): Promise<IncomingMessage> {
  const payload = body === null ? "" : JSON.stringify(body);
  const content = body === null ? {} : { "content-type": "application/json", "content-length": payload.length };
  return within(
    `${method} ${path}`,
    new Promise((resolve, reject) => {
      const outgoing = (isTls ? tlsRequest : plainRequest)({
        agent,
        host: "127.0.0.1",
        port: plane.apiPort,
        method,
        path,
        headers: { ...headers, ...content },
      });
      outgoing.on("response", resolve);
      outgoing.on("error", reject);
      outgoing.end(payload);
    }),
  );
}

interface Reply {
  readonly statusCode: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function send(sender: Sender, method: string, path: string, body: unknown = null): Promise<Reply> {
  const incoming = await open(sender, method, path, body);
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  const isJson = incoming.headers["content-type"] === "application/json";
  return { statusCode: incoming.statusCode ?? 0, body: isJson ? (JSON.parse(text) as Reply["body"]) : { text } };
}

/** A path of each route, its parameters those of something that exists. */
function listCalls(): readonly (readonly [method: string, path: string])[] {
  const values: Readonly<Record<string, string>> = {
    version: "v1alpha1",
    group: "weft.dev",
    plural: "meshes",
    name: "mesh",
  };
  return plane.apiRoutes
    .filter(({ access }) => access !== "open")
    .map(({ method, path }) => [
      method,
      path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => values[name] ?? "default"),
    ]);
}

test("only the health routes are open", async () => {
  const routes = plane.apiRoutes
    .filter(({ access }) => access === "open")
    .map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(routes, ["GET /healthz", "GET /livez", "GET /readyz"]);
  for (const isTls of [false, true]) {
    const nobody = createSender(null, isTls);
    for (const path of ["/healthz", "/livez", "/readyz"]) {
      assert.equal((await send(nobody, "GET", path)).statusCode, 200, path);
    }
    nobody.agent.destroy();
  }
});

// First: refusals are logged up to a limit, which what follows is beyond.
test("the audit log has every write, with who, what and outcome, and no secret", async () => {
  const editor = createSender(await addTokenUser("auditor", { role: "editor", namespaces: ["shop"] }));
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "audited", namespace: "shop" } };
  const accounts = "/api/v1/namespaces/shop/serviceaccounts";
  await send(editor, "POST", `${accounts}?dryRun=All`, account);
  await send(editor, "POST", accounts, account);
  await send(editor, "PUT", `${accounts}/audited`, account);
  await send(editor, "DELETE", `${accounts}/audited`);
  await send(editor, "DELETE", `${accounts}/audited`);
  await send(editor, "DELETE", "/api/v1/namespaces/other/serviceaccounts/audited");
  await send(editor, "GET", accounts);
  const text = readFileSync(audit, "utf8");
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ user, resource }) => user === "auditor" && resource === "serviceaccounts")
    .map(({ changed, code, dryRun, name, namespace, outcome, verb }) =>
      [verb, `${String(namespace)}/${String(name)}`, code, outcome, changed, dryRun ?? false].join(" "),
    );
  assert.deepEqual(lines, [
    "create shop/audited 201 done false true",
    "create shop/audited 201 done true false",
    "update shop/audited 200 done false false",
    "delete shop/audited 200 done true false",
    "delete shop/audited 404 failed false false",
    "delete other/audited 403 refused false false",
  ]);
  for (const secret of [TOKEN, "token-of-auditor", "BEGIN"]) assert.ok(!text.includes(secret), secret);
  editor.agent.destroy();
});

test("every other route refuses whoever does not prove who they are, and changes nothing", async () => {
  const expired = await addTokenUser("expired", { role: "admin" }, systemClock.wallMs() - 1);
  const expiredPair = await addCertificateUser(admin, "expired-certificate", 10_000);
  const removed = await addTokenUser("removed", { role: "admin" });
  const removedPair = await addCertificateUser(admin, "removed-certificate");
  await admin.delete({ group: "weft.dev", kind: "User", namespace: "", name: "removed" });
  await admin.delete({ group: "weft.dev", kind: "User", namespace: "", name: "removed-certificate" });
  // Who is added again under the same name is somebody else.
  await admin.create(userResource("removed-certificate", { role: "admin" }));
  const others = createApiClient({
    baseUrl: `https://127.0.0.1:${other.apiPort}`,
    token: "o".repeat(43),
    caPem: other.trustBundlePem,
  });
  const otherPair = await addCertificateUser(others, "alice");
  others.close();
  await addCertificateUser(admin, "alice");
  const senders: Readonly<Record<string, readonly [Sender, RegExp]>> = {
    "no credentials": [createSender(null, false), /found no credentials/],
    "no credentials over TLS": [createSender(null, true), /found no credentials/],
    "a wrong token": [createSender("wrong"), /found a token that is not this mesh's/],
    "an empty token": [createSender(""), /found an authorization header of another form/],
    "another mesh's token": [createSender("o".repeat(43)), /found a token that is not this mesh's/],
    "an expired token": [createSender(expired), /found a token of the user "expired" that expired at 20/],
    "a removed user's token": [createSender(removed), /found a token that is not this mesh's/],
    "an expired certificate": [
      createSender(expiredPair),
      /certificate of the user "expired-certificate" that expired at/,
    ],
    "another mesh's certificate": [createSender(otherPair), /found a client certificate that this mesh did not issue/],
    "a removed user's certificate": [createSender(removedPair), /"removed-certificate" that is not in force/],
    "a workload's SVID": [createSender(await issueSvid()), /found the certificate of spiffe:.*which is no user's/],
  };
  const { resourceVersion } = await plane.store.listAll();
  const calls = listCalls();
  assert.ok(calls.length > 40, String(calls.length));
  shiftMs = 20_000;
  try {
    for (const [what, [sender, message]] of Object.entries(senders)) {
      for (const [method, path] of [...calls, ["GET", "/no/such/path"], ["GET", "/healthz/"]] as const) {
        const body =
          method === "GET" || method === "DELETE" ? null : { namespace: "default", workload: "x", serviceAccount: "x" };
        const reply = await send(sender, method, path, body);
        assert.deepEqual([reply.statusCode, reply.body["reason"]], [401, "Unauthorized"], `${what}: ${method} ${path}`);
        assert.match(String(reply.body["message"]), message, `${what}: ${method} ${path}`);
      }
      sender.agent.destroy();
    }
  } finally {
    shiftMs = 0;
  }
  assert.equal((await plane.store.listAll()).resourceVersion, resourceVersion);
});

test("a user's certificate is its key to the API, and no workload's identity", async () => {
  const pair = await addCertificateUser(admin, "carol");
  const carol = createSender(pair);
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const { body, statusCode } = await send(carol, "POST", path, review);
  assert.equal(statusCode, 201);
  assert.deepEqual((body["status"] as { readonly userInfo: { readonly username: string } }).userInfo.username, "carol");
  const root = new X509Certificate(plane.trustBundlePem);
  const verifier = new PeerVerifier({ trustDomain: "shop.mesh", roots: () => [root], clock });
  const leaf = new X509Certificate(pair.certificateChainPem);
  assert.ok(leaf.verify(root.publicKey));
  assert.equal(verifier.identifyCertificate(leaf.raw), null);
  // Nor is it taken where a token says something else.
  const both: Sender = { ...carol, headers: { authorization: "Bearer wrong" } };
  assert.equal((await send(both, "GET", "/api")).statusCode, 401);
  const crossSite: Sender = { ...carol, headers: { "sec-fetch-site": "cross-site" } };
  assert.equal((await send(crossSite, "GET", "/api")).statusCode, 403);
  carol.agent.destroy();
});

test("what a role does not allow is 403 on every route that it does not allow, and changes nothing", async () => {
  const viewer = createSender(await addTokenUser("viewer", { role: "viewer", namespaces: ["shop"] }));
  const { resourceVersion } = await plane.store.listAll();
  for (const { access, method, path } of plane.apiRoutes) {
    if (typeof access !== "object" || ["get", "list"].includes(access.verb)) continue;
    const real = path
      .replaceAll("{version}", "v1")
      .replaceAll("{group}", "discovery.k8s.io")
      .replaceAll("{plural}", path.startsWith("/apis") ? "endpointslices" : "services")
      .replaceAll(/\{\w+\}/g, "shop");
    const body = method === "DELETE" ? null : { namespace: "shop", workload: "x", serviceAccount: "x" };
    const reply = await send(viewer, method, real, body);
    assert.deepEqual([reply.statusCode, reply.body["reason"]], [403, "Forbidden"], `${method} ${real}`);
  }
  const refused = await send(viewer, "DELETE", "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/web");
  assert.equal(
    refused.body["message"],
    'endpointslices.discovery.k8s.io "web" is forbidden: User "viewer" cannot delete resource "endpointslices" in API group "discovery.k8s.io" in the namespace "shop": the role viewer only reads',
  );
  assert.deepEqual(refused.body["details"], { name: "web", group: "discovery.k8s.io", kind: "endpointslices" });
  assert.equal((await plane.store.listAll()).resourceVersion, resourceVersion);
  viewer.agent.destroy();
});

test("a workload joins in the namespaces of who lets it in, whatever the body says elsewhere", async () => {
  const editor = createSender(await addTokenUser("joiner", { role: "editor", namespaces: ["shop"] }));
  const join = { workload: "web-0", serviceAccount: "web" };
  assert.equal((await send(editor, "POST", "/weft/v1/workloads", { ...join, namespace: "shop" })).statusCode, 201);
  assert.equal((await send(editor, "POST", "/weft/v1/workloads", { ...join, namespace: "other" })).statusCode, 403);
  assert.equal((await send(editor, "POST", "/weft/v1/workloads", join)).statusCode, 403);
  editor.agent.destroy();
});

test("impersonation is refused, not passed over", async () => {
  const sender = createSender(TOKEN);
  const reply = await send({ ...sender, headers: { ...sender.headers, "impersonate-user": "x" } }, "GET", "/api");
  assert.deepEqual([reply.statusCode, reply.body["reason"]], [403, "Forbidden"]);
  sender.agent.destroy();
});

const WATCH = "/api/v1/services?watch=1";

/** Resolves when the open answer is cut off. */
function ended(incoming: IncomingMessage): Promise<void> {
  incoming.resume();
  return within(
    "the end of the watch",
    new Promise((resolve) => {
      incoming.on("close", resolve);
      incoming.on("error", () => undefined);
    }),
  );
}

test("an open watch ends with its user, its credential, its role, and its time; another's goes on", async () => {
  const key = (name: string) => ({ group: "weft.dev", kind: "User", namespace: "", name });
  const stays = createSender(await addTokenUser("stays"));
  const staying = await open(stays, "GET", WATCH);
  let hasEnded = false;
  staying.resume();
  staying.on("close", () => (hasEnded = true));
  staying.on("error", () => undefined);

  const deleted = createSender(await addTokenUser("deleted"));
  const first = ended(await open(deleted, "GET", WATCH));
  await admin.delete(key("deleted"));
  await first;

  const limited = createSender(await addTokenUser("limited"));
  const second = ended(await open(limited, "GET", WATCH));
  const stored = await admin.get(key("limited"));
  assert.ok(stored !== null);
  await admin.replace({ ...stored, spec: { ...(stored.spec as UserSpec), namespaces: ["shop"] } });
  await second;

  const withoutToken = createSender(await addTokenUser("without-token"));
  const third = ended(await open(withoutToken, "GET", WATCH));
  const before = await admin.get(key("without-token"));
  assert.ok(before !== null);
  await admin.replace({ ...before, spec: { role: "viewer" } });
  await third;

  const short = createSender(await addTokenUser("short", {}, systemClock.wallMs() + 400));
  await ended(await open(short, "GET", WATCH));
  assert.equal((await send(short, "GET", "/api")).statusCode, 401);

  assert.equal(hasEnded, false);
  staying.destroy();
  for (const { agent } of [stays, deleted, limited, withoutToken, short]) agent.destroy();
});

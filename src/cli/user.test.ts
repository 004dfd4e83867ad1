import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { parse } from "yaml";
import type { User } from "../resources/user.ts";
import { startTestCli, type TestCli } from "./test-host.ts";

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
});
afterEach(() => cli.close());

async function find(name: string): Promise<User | null> {
  return (await cli.api.store.get({ group: "weft.dev", kind: "User", namespace: "", name })) as User | null;
}

function hash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

interface Kubeconfig {
  readonly users: readonly [{ readonly user: { readonly token: string } }];
  readonly contexts: readonly [{ readonly context: { readonly namespace: string } }];
}

test("weft user add writes a kubeconfig for its owner alone, and the mesh keeps the token's hash", async () => {
  const run = await cli.run("user", "add", "alice", "--role", "editor", "-n", "shop", "--expires", "12h");
  assert.equal(run.exitCode, 0, run.stderr);
  const path = join(cli.folder, "alice.kubeconfig");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const config = parse(readFileSync(path, "utf8")) as Kubeconfig;
  const { token } = config.users[0].user;
  assert.equal(config.contexts[0].context.namespace, "shop");
  assert.ok(!run.stdout.includes(token));
  const user = await find("alice");
  assert.deepEqual([user?.spec.role, user?.spec.namespaces], ["editor", ["shop"]]);
  assert.deepEqual(
    user?.spec.tokens.map(({ sha256 }) => sha256),
    [hash(token)],
  );
  assert.ok(!JSON.stringify(user).includes(token));
  const list = await cli.run("user", "list");
  assert.match(list.stdout, /alice +editor +shop +1 token +in 12h/);
});

test("weft user add gives a user one more token in place of ended ones, and refuses to change what it is", async () => {
  const ended = { sha256: hash("ended"), notAfter: "2020-01-31T12:00:00Z" };
  await cli.api.store.put({
    apiVersion: "weft.dev/v1alpha1",
    kind: "User",
    metadata: { name: "ci", namespace: "" },
    spec: { role: "viewer", tokens: [{ sha256: hash("first") }, ended], certificates: [] },
  });
  const add = ["user", "add", "ci", "--role", "viewer", "--token-only", "--expires", "never"];
  const token = (await cli.run(...add)).stdout.trim();
  assert.match(token, /^weftu_[\w-]{43}$/);
  const user = await find("ci");
  assert.deepEqual(user?.spec.tokens, [{ sha256: hash("first") }, { sha256: hash(token) }]);
  const other = await cli.run("user", "add", "ci", "--role", "admin", "--token-only");
  assert.equal(other.exitCode, 1);
  assert.match(other.stderr, /found one that is viewer in all namespaces; expected none, or one that is admin/);
});

test("weft user add makes no token when the kubeconfig cannot be written", async () => {
  cli.file("bob.kubeconfig", "somebody's");
  const run = await cli.run("user", "add", "bob", "--role", "viewer");
  assert.equal(run.exitCode, 1);
  assert.match(run.stderr, /WEFT_USER_KUBECONFIG/);
  assert.deepEqual((await find("bob"))?.spec.tokens, []);
  assert.equal(readFileSync(join(cli.folder, "bob.kubeconfig"), "utf8"), "somebody's");
});

test("weft user add leaves no file behind when the mesh cannot make the certificate", async () => {
  const run = await cli.run("user", "add", "bob", "--role", "viewer", "--certificate");
  assert.equal(run.exitCode, 1);
  assert.equal(existsSync(join(cli.folder, "bob.kubeconfig")), false);
});

const WRONG: readonly (readonly string[])[] = [
  ["alice"],
  ["alice", "--role", "owner"],
  ["Alice", "--role", "viewer"],
  ["alice", "--role", "admin", "-n", "shop"],
  ["alice", "--role", "viewer", "--expires", "2y"],
  ["alice", "--role", "viewer", "--expires", "0d"],
  ["alice", "--role", "viewer", "--certificate", "--expires", "never"],
  ["alice", "--role", "viewer", "--certificate", "--token-only"],
  ["alice", "--role", "viewer", "--server", "http://weft.internal:9338"],
];
for (const words of WRONG) {
  test(`weft user add ${words.join(" ")} is a wrong command line`, async () => {
    assert.equal((await cli.run("user", "add", ...words)).exitCode, 2);
    assert.equal(await find("alice"), null);
  });
}

test("weft user remove ends a user, and says when there is none", async () => {
  await cli.run("user", "add", "alice", "--role", "viewer", "--token-only");
  assert.equal((await cli.run("user", "remove", "alice")).exitCode, 0);
  assert.equal(await find("alice"), null);
  const again = await cli.run("user", "remove", "alice");
  assert.equal(again.exitCode, 1);
  assert.match(again.stderr, /found none of this name/);
});

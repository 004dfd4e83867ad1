import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { type AuditEntry, AuditLog } from "./audit-log.ts";
import { createPrincipal } from "./principal.ts";

let folder: string;
let path: string;
let clock: FakeClock;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-audit-"));
  path = join(folder, "audit.jsonl");
  clock = new FakeClock();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ALICE = createPrincipal({ name: "alice", role: "editor", namespaces: null, how: "token" });

function entry(change: Partial<AuditEntry> = {}): AuditEntry {
  return {
    principal: ALICE,
    request: { verb: "create", group: "", resource: "services", subresource: "", namespace: "shop", name: "web" },
    method: "POST",
    path: "/api/v1/namespaces/shop/services",
    statusCode: 201,
    changed: true,
    isDryRun: false,
    source: "127.0.0.1:1",
    userAgent: "kubectl",
    ...change,
  };
}

function readLines(file: string = path): readonly Record<string, unknown>[] {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("AuditLog writes one line an entry into a file of its owner's alone", () => {
  const audit = new AuditLog({ path, clock, log: silentLog });
  audit.write(entry());
  audit.write(entry({ isDryRun: true, changed: false, statusCode: 200 }));
  audit.write(entry({ principal: null, request: null, statusCode: 401, changed: false }));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const [first, second, third] = readLines();
  assert.deepEqual(first, {
    time: first?.["time"],
    user: "alice",
    role: "editor",
    credential: "token",
    verb: "create",
    group: "",
    resource: "services",
    namespace: "shop",
    name: "web",
    code: 201,
    outcome: "done",
    changed: true,
    source: "127.0.0.1:1",
    userAgent: "kubectl",
  });
  assert.deepEqual([second?.["dryRun"], second?.["changed"]], [true, false]);
  assert.deepEqual(
    [third?.["user"], third?.["outcome"], third?.["path"]],
    [null, "refused", "/api/v1/namespaces/shop/services"],
  );
  audit.close();
});

test("AuditLog keeps a line one line, and short, whatever a caller sends", () => {
  const audit = new AuditLog({ path, clock, log: silentLog });
  audit.write(entry({ userAgent: `a\n{"user":"weft:home"}${"x".repeat(5000)}` }));
  const [line, ...more] = readLines();
  assert.equal(more.length, 0);
  assert.ok(String(line?.["userAgent"]).length < 300);
  audit.close();
});

test("AuditLog moves full files aside and keeps five", () => {
  const audit = new AuditLog({ path, clock, log: silentLog, maxBytes: 1000 });
  for (let index = 0; index < 60; index += 1) {
    audit.write(entry({ userAgent: `agent ${index}` }));
  }
  assert.deepEqual(readdirSync(folder).sort(), [
    "audit.jsonl",
    "audit.jsonl.1",
    "audit.jsonl.2",
    "audit.jsonl.3",
    "audit.jsonl.4",
  ]);
  assert.equal(readLines().at(-1)?.["userAgent"], "agent 59");
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  assert.ok(Math.max(...sizes) < 1400, String(sizes));
  audit.close();
});

test("AuditLog bounds refusals, says how many it left out, and never leaves out a write", () => {
  const audit = new AuditLog({ path, clock, log: silentLog });
  for (let index = 0; index < 1000; index += 1) audit.write(entry({ statusCode: 401, principal: null }));
  assert.equal(readLines().length, 100);
  audit.write(entry());
  assert.equal(readLines().at(-1)?.["unloggedRefusals"], 900);
  clock.advance(5000);
  for (let index = 0; index < 10; index += 1) audit.write(entry({ statusCode: 403 }));
  assert.equal(readLines().length, 106);
  audit.close();
});

test("AuditLog that cannot be written complains once a minute, and does not throw", () => {
  let complaints = 0;
  const log = { ...silentLog, error: () => void (complaints += 1) };
  const audit = new AuditLog({ path: join(folder, "none", "audit.jsonl"), clock, log });
  for (let index = 0; index < 5; index += 1) audit.write(entry());
  assert.equal(complaints, 1);
  clock.advance(60_000);
  audit.write(entry());
  assert.equal(complaints, 2);
});

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ControlPlaneBootstrap, ControlPlaneStatusLine } from "../control-bootstrap.ts";
import type { JoinGrant } from "../control/views.ts";
import { encodeCertificateRequest } from "../identity/csr.ts";
import { createIdentityClient } from "../identity/identity-client.ts";
import { within } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import { GrpcClient } from "../xds/grpc-client.ts";

const TOKEN = "secret-api-token-0123456789-abcdefghijklmno";
const folder = mkdtempSync(join(tmpdir(), "weft-process-"));
const running = new Set<ControlProcess>();

after(() => {
  for (const process of running) process.child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** One control plane process and what it says. */
class ControlProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  stderr: string = "";
  readonly #firstStatus: Promise<ControlPlaneStatusLine>;

  /** Null leaves standard input empty. */
  constructor(line: string | null) {
    const path = fileURLToPath(new URL("./weft-control.js", import.meta.url));
    this.child = spawn(process.execPath, [path], { stdio: ["pipe", "ignore", "pipe", "pipe"] });
    running.add(this);
    this.exited = once(this.child, "exit").then(([code, signal]: (number | string | null)[]) => {
      running.delete(this);
      return { code: code as number | null, signal: signal as string | null };
    });
    (this.child.stderr as Readable).on("data", (bytes: Buffer) => (this.stderr += bytes.toString()));
    const status = createInterface({ input: this.child.stdio[3] as Readable });
    this.#firstStatus = once(status, "line").then(
      ([text]: string[]) => JSON.parse(text ?? "") as ControlPlaneStatusLine,
    );
    if (line !== null) this.stdin().write(`${line}\n`);
  }

  stdin(): Writable {
    return this.child.stdin as Writable;
  }

  status(): Promise<ControlPlaneStatusLine> {
    return within(() => `a status line; the log so far:\n${this.stderr}`, this.#firstStatus);
  }

  async ready(): Promise<{ apiPort: number; xdsPort: number }> {
    const status = await this.status();
    assert.ok(status.event === "ready", JSON.stringify(status));
    return status;
  }

  exit(): Promise<{ code: number | null; signal: string | null }> {
    return within(() => `the process to end; the log so far:\n${this.stderr}`, this.exited);
  }
}

function createBootstrap(stateDir: string): ControlPlaneBootstrap {
  return {
    stateDir: join(folder, stateDir),
    mesh: "shop",
    trustDomain: "shop.mesh",
    api: { address: "127.0.0.1", port: 0 },
    xds: { address: "127.0.0.1", port: 0 },
    apiToken: TOKEN,
    defaults: { access: "strict", egress: "allow", certificateLifetime: "24h" },
    logLevel: "info",
  };
}

function startProcess(stateDir: string, change: Partial<ControlPlaneBootstrap> = {}): ControlProcess {
  return new ControlProcess(JSON.stringify({ ...createBootstrap(stateDir), ...change }));
}

async function callApi<T>(apiPort: number, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${apiPort}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, text);
  return JSON.parse(text) as T;
}

function grant(apiPort: number, workload: string): Promise<JoinGrant> {
  return callApi(apiPort, "POST", "/weft/v1/workloads", { namespace: "default", workload, serviceAccount: "reviews" });
}

/** Joins over gRPC with the credential, against the roots it was granted with. */
async function redeem(granted: JoinGrant, xdsPort: number): Promise<string> {
  const client = new GrpcClient({
    host: "127.0.0.1",
    port: xdsPort,
    serverSpiffeId: "spiffe://shop.mesh/ns/weft/sa/control-plane",
    credentials: () => ({ keyPair: null, trustBundlePem: granted.trustBundlePem }),
    clock: systemClock,
  });
  try {
    const request = encodeCertificateRequest(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
    return (await createIdentityClient(client)(request, granted.workload, granted.joinCredential)).trustBundlePem;
  } finally {
    client.close();
  }
}

test("weft-control killed with SIGKILL starts again with its CA, its resources, and credentials that still work once", async () => {
  const first = startProcess("killed");
  const before = await first.ready();
  const used = await grant(before.apiPort, "used");
  const unused = await grant(before.apiPort, "unused");
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "reviews", namespace: "default" },
    spec: { ports: [{ port: 80 }] },
  };
  await callApi(before.apiPort, "POST", "/api/v1/namespaces/default/services", service);
  const trustBundlePem = await redeem(used, before.xdsPort);
  first.child.kill("SIGKILL");
  await first.exit();

  const second = startProcess("killed");
  const { apiPort, xdsPort } = await second.ready();
  const { metadata } = await callApi<{ metadata: { name: string } }>(
    apiPort,
    "GET",
    "/api/v1/namespaces/default/services/reviews",
  );
  assert.equal(metadata.name, "reviews");
  await assert.rejects(redeem(used, xdsPort), /WEFT_CA_JOIN_USED/);
  assert.equal(await redeem(unused, xdsPort), trustBundlePem);
  await assert.rejects(redeem(unused, xdsPort), /WEFT_CA_JOIN_USED/);
  second.stdin().end();
  assert.deepEqual(await second.exit(), { code: 0, signal: null });
  for (const secret of [TOKEN, used.joinCredential, unused.joinCredential, "PRIVATE KEY"]) {
    assert.ok(!first.stderr.includes(secret) && !second.stderr.includes(secret), "a secret is in the log");
  }
});

test("weft-control refuses a state folder that another one uses, and the other goes on", async () => {
  const first = startProcess("shared");
  const { apiPort } = await first.ready();
  const second = startProcess("shared");
  const status = await second.status();
  assert.ok(status.event === "failed");
  assert.equal(status.code, "WEFT_CONTROL_LOCKED");
  assert.match(status.message, new RegExp(`in use by process ${first.child.pid};`));
  assert.deepEqual(await second.exit(), { code: 1, signal: null });
  await grant(apiPort, "still-there");
  first.child.kill("SIGTERM");
  assert.deepEqual(await first.exit(), { code: 0, signal: null });
});

test("weft-control ends with code 2 when its options cannot be read, and repeats no value of them", async () => {
  for (const [line, reason] of [
    ["{", /no JSON/],
    [JSON.stringify({ ...createBootstrap("x"), apiToken: "short-secret" }), /apiToken/],
    [JSON.stringify({ ...createBootstrap("x"), trustDomain: "Shop" }), /trustDomain/],
    [JSON.stringify({ ...createBootstrap("x"), extra: 1 }), /extra/],
  ] as const) {
    const child = new ControlProcess(line);
    const status = await child.status();
    assert.ok(status.event === "failed");
    assert.equal(status.code, "WEFT_CONTROL_BOOTSTRAP");
    assert.match(status.message, reason);
    assert.deepEqual(await child.exit(), { code: 2, signal: null });
    assert.ok(!child.stderr.includes("short-secret") && !status.message.includes("short-secret"));
  }
});

test("weft-control ends with code 2 when standard input ends before its options", async () => {
  const child = new ControlProcess(null);
  child.stdin().end();
  const status = await child.status();
  assert.ok(status.event === "failed");
  assert.deepEqual(await child.exit(), { code: 2, signal: null });
});

test("weft-control says which address is taken", async () => {
  const first = startProcess("taken-1");
  const { xdsPort } = await first.ready();
  const second = startProcess("taken-2", { xds: { address: "127.0.0.1", port: xdsPort } });
  const status = await second.status();
  assert.ok(status.event === "failed");
  assert.equal(status.code, "WEFT_CONTROL_LISTEN");
  assert.match(status.message, new RegExp(`127\\.0\\.0\\.1:${xdsPort}`));
  assert.deepEqual(await second.exit(), { code: 1, signal: null });
  first.stdin().end();
  assert.deepEqual(await first.exit(), { code: 0, signal: null });
});

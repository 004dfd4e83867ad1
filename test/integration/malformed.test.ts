// Ten thousand malformed, cut short and ambiguous requests against two real sidecars and a real server behind them.
import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { encodeProxyHeader } from "../../src/capture/encode-proxy-header.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import type { Timer } from "../../src/time/clock.ts";
import { generateHeads } from "../fuzz/http1-heads.ts";
import { call } from "./http-call.ts";
import { field, readBody } from "./load.ts";
import { Mesh } from "./mesh.ts";
import { type ExpectedRequest, expectRequests } from "./expect-requests.ts";

const SEED = 20_261_122;
const COUNT = 10_000;
const CONCURRENT = 24;
/** A connection on which nothing happens for this long has told all it will; then we end our side, and it must close. */
const LULL_MS = 100;
const HUNG_MS = 10_000;
/** What weft may say to a well-formed request here: it names no service of the mesh, or asks for what is not carried. */
const REFUSALS = new Set(["no_route", "egress_denied", "bad_path", "connect_unsupported", "upgrade_unsupported"]);

let mesh: Mesh;

before(async () => {
  mesh = await Mesh.start({
    yaml: `
mesh: malformed
egress: deny
services:
  client: { command: node echo.mjs }
  a: { command: node echo.mjs, env: { RECORD: "yes" }, allow: [client] }
`,
  });
});

after(() => mesh.stop());

test(`${COUNT} malformed and truncated heads: no crash, no hung socket, nothing forwarded that the server reads differently`, async (t) => {
  const port = await mesh.outboundPort("client-0");
  const recordPort = Number((await mesh.line(/record at (\d+)$/))[1]);
  const processes = mesh.processes();
  const tally = new Map<string, number>();
  const expected: ExpectedRequest[] = [];
  const messages = [...generateHeads(SEED, COUNT)];
  const startedMs = systemClock.nowMs();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < messages.length; index = next++) {
      const bytes = messages[index] ?? Buffer.alloc(0);
      const requests = expectRequests(Buffer.from(bytes).toString("latin1"));
      expected.push(...requests);
      // Every other one comes as from an app whose connection was captured: then any Host is carried to the service.
      const first = index % 2 === 0 ? Buffer.alloc(0) : encodeProxyHeader("a", 80);
      const conversation = await converse(port, Buffer.concat([first, bytes]), requests);
      for (const verdict of judge(conversation, requests, bytes)) tally.set(verdict, (tally.get(verdict) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, work));
  const seconds = ((systemClock.nowMs() - startedMs) / 1000).toFixed(1);
  t.diagnostic(
    `${seconds} s: ${[...tally]
      .sort((one, other) => other[1] - one[1])
      .map(([what, count]) => `${what} ${count}`)
      .join(", ")}`,
  );

  assert.deepEqual([...mesh.processes()], [...processes], "every process is the one that it was");
  assert.ok((tally.get("echoed") ?? 0) > COUNT / 10, "many were well-formed and came through");
  assert.ok((tally.get("refused: bad_request") ?? 0) > COUNT / 10, "many were refused");
  const served = await call({ port, host: "a", path: "/who" });
  assert.equal(served.status, 200, "both proxies still serve");

  const record = JSON.parse(
    (await call({ port: recordPort, host: "record", path: "/" })).body,
  ) as readonly RecordedRequest[];
  t.diagnostic(
    `the server read ${record.length} requests, ${record.filter(({ complete }) => !complete).length} of them broken off`,
  );
  compareRecord(record, expected);
});

interface RecordedRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly complete: boolean;
  readonly body?: string;
}

/** All that the server read, answered or not, is what somebody sent it. */
function compareRecord(record: readonly RecordedRequest[], expected: readonly ExpectedRequest[]): void {
  const heads = new Set(expected.map(formatHead));
  const wholes = new Map<string, number>();
  for (const request of expected) {
    if (request.body === null) continue;
    const key = `${formatHead(request)} ${request.body}`;
    wholes.set(key, (wholes.get(key) ?? 0) + 1);
  }
  for (const entry of record) {
    const head = formatHead(entry);
    assert.ok(heads.has(head), `the server read what nobody sent: ${head.slice(0, 300)}`);
    if (!entry.complete) continue;
    const key = `${head} ${entry.body ?? ""}`;
    const left = wholes.get(key) ?? 0;
    assert.ok(left > 0, `the server read this more often than it was sent, or with another body: ${key.slice(0, 300)}`);
    wholes.set(key, left - 1);
  }
}

function formatHead({ method, target, host }: Pick<ExpectedRequest, "method" | "target" | "host">): string {
  return `${method} ${target} ${host}`;
}

interface Answer {
  readonly status: number;
  readonly failure: string | null;
  readonly body: string;
}

interface Conversation {
  readonly answers: readonly Answer[];
  readonly hung: boolean;
}

/** What became of each message, in words; throws when it is something that must not be. */
function* judge(
  { answers, hung }: Conversation,
  requests: readonly ExpectedRequest[],
  bytes: Uint8Array,
): Iterable<string> {
  const shown = `${JSON.stringify(Buffer.from(bytes.subarray(0, 400)).toString("latin1"))} was answered ${JSON.stringify(answers).slice(0, 800)}`;
  assert.ok(!hung, `the connection hung: ${shown}`);
  const [first] = requests;
  if (first !== undefined && first.body !== null)
    assert.ok(answers.length > 0, `a well-formed request got no answer: ${shown}`);
  if (answers.length === 0) yield "closed without an answer";
  for (const [index, { status, failure, body }] of answers.entries()) {
    const request = requests[index];
    if (request === undefined || request.body === null) {
      assert.ok(failure !== null && status >= 400, `what is malformed was not refused by weft: ${shown}`);
      yield `refused: ${failure}`;
    } else if (failure !== null) {
      assert.ok(REFUSALS.has(failure), `a well-formed request was refused: ${shown}`);
      yield `not carried: ${failure}`;
    } else if (status === 200) {
      if (request.method !== "HEAD") assert.deepEqual(readEcho(body), { ...request }, shown);
      yield "echoed";
    } else {
      // What weft carries and node:http refuses: a method it does not know.
      assert.ok(status === 400 && !METHODS.includes(request.method), `the server refused it: ${shown}`);
      yield "refused by the server";
    }
  }
}

function readEcho(body: string): ExpectedRequest {
  const echo = JSON.parse(Buffer.from(body, "latin1").toString("utf8")) as ExpectedRequest;
  return { method: echo.method, target: echo.target, host: echo.host, body: echo.body };
}

/** Sends the bytes and reads until all complete requests have their answers and nothing more comes. */
function converse(port: number, bytes: Uint8Array, requests: readonly ExpectedRequest[]): Promise<Conversation> {
  return new Promise((resolve) => {
    const answers: Answer[] = [];
    const due = requests.filter(({ body }) => body !== null).length;
    let text = "";
    let lull: Timer | null = null;
    let hung = false;
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    const limit = systemClock.after(
      HUNG_MS,
      () => {
        hung = true;
        socket.destroy();
      },
      undefined,
    );
    const watch = (): void => {
      lull?.clear();
      // An answer that is due is waited for up to the limit.
      if (answers.length < due && !isClosing(answers)) return;
      lull = systemClock.after(LULL_MS, () => socket.end(), undefined);
    };
    watch();
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      for (
        let rest = takeAnswer(text, requests[answers.length], answers);
        rest !== null;
        rest = takeAnswer(text, requests[answers.length], answers)
      )
        text = rest;
      watch();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      limit.clear();
      lull?.clear();
      resolve({ answers, hung });
    });
  });
}

/** An answer that is not a success may be the last one: the connection closes, or will not and then it hangs. */
function isClosing(answers: readonly Answer[]): boolean {
  return answers.some(({ status }) => status !== 200);
}

/** Adds the first complete answer of `text`, and returns the rest; null when there is none yet. */
function takeAnswer(text: string, request: ExpectedRequest | undefined, answers: Answer[]): string | null {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = text.slice(0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const rest = text.slice(end + 4);
  if (status < 200) return rest;
  const body = request?.method === "HEAD" ? "" : readBody(head, rest);
  if (body === null) return null;
  answers.push({ status, failure: field(head, "x-weft-failure"), body });
  return rest.slice(field(head, "transfer-encoding") === "chunked" ? rest.length : body.length);
}

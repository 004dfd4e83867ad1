// What a gRPC client must see of a gRPC server, whether there is a mesh between them or not.
import assert from "node:assert/strict";
import { drive } from "./drive.ts";

export interface GrpcPlace {
  /** Of `apps/grpc-driver.mjs`. */
  readonly driverPort: number;
  /** `host:port` of `apps/grpc-echo.mjs`, one instance. */
  readonly target: string;
}

export interface GrpcScenario {
  readonly title: string;
  run(place: GrpcPlace): Promise<void>;
}

export interface CallResult {
  readonly code: number;
  readonly details: string;
  readonly reply: Readonly<Record<string, unknown>> | null;
  readonly initial?: readonly (readonly [name: string, value: string])[];
  readonly trailers: readonly (readonly [name: string, value: string])[];
}

interface StreamResult extends CallResult {
  readonly messages: number;
  readonly bytes: number;
  readonly inOrder: boolean;
}

const OK = 0;
const CANCELLED = 1;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const DATA_LOSS = 15;
const FOUR_MEGABYTES = 4 * 1024 * 1024;
const HELD_CALLS = 10_000;
/** Not text, and longer than one base64 block. */
const BINARY = Buffer.from(Array.from({ length: 100 }, (_, index) => (index * 37) % 256)).toString("base64");

export const GRPC_SCENARIOS: readonly GrpcScenario[] = [
  {
    title: "a unary call",
    async run({ driverPort, target }) {
      const { code, details, reply } = await call(driverPort, "unary", { target, request: { message: "hello" } });
      assert.equal(code, OK, details);
      assert.equal(reply?.["message"], "hello");
      assert.equal(reply["authority"], target);
    },
  },
  {
    title: "metadata both ways, text and binary, once and twice",
    async run({ driverPort, target }) {
      const metadata = [
        ["x-test-text", "one value"],
        ["x-test-twice", "first"],
        ["x-test-twice", "second"],
        ["x-test-data-bin", BINARY],
      ];
      const { code, details, initial, trailers } = await call(driverPort, "unary", { target, metadata });
      assert.equal(code, OK, details);
      for (const [prefix, received] of [
        ["initial", initial ?? []],
        ["trailer", trailers],
      ] as const) {
        // grpc-js sends a repeated key as one field or as several: both are one list.
        const values = received
          .filter(([name]) => name === `${prefix}-x-test-twice`)
          .flatMap(([, value]) => value.split(", "));
        assert.deepEqual(values, ["first", "second"]);
        assert.deepEqual(find(received, `${prefix}-x-test-text`), "one value");
        assert.deepEqual(find(received, `${prefix}-x-test-data-bin`), BINARY);
      }
    },
  },
  {
    title: "a client stream",
    async run({ driverPort, target }) {
      const result = await call(driverPort, "clientStream", { target, count: 200, bytes: 5_000 });
      assert.equal(result.code, OK, result.details);
      assert.equal(result.reply?.["messages"], 200);
      assert.equal(result.reply["bytes"], 1_000_000);
    },
  },
  {
    title: "a client stream without messages",
    async run({ driverPort, target }) {
      const result = await call(driverPort, "clientStream", { target, count: 0, bytes: 0 });
      assert.equal(result.code, OK, result.details);
      assert.equal(result.reply?.["messages"], 0);
    },
  },
  {
    title: "a server stream",
    async run({ driverPort, target }) {
      const request = { count: 500, replyBytes: 5_000 };
      const result = (await drive(driverPort, "serverStream", { target, request })) as StreamResult;
      assert.equal(result.code, OK, result.details);
      assert.deepEqual([result.messages, result.bytes, result.inOrder], [500, 2_500_000, true]);
    },
  },
  {
    title: "a server stream without messages",
    async run({ driverPort, target }) {
      const result = (await drive(driverPort, "serverStream", { target, request: { count: 0 } })) as StreamResult;
      assert.deepEqual([result.code, result.messages], [OK, 0], result.details);
    },
  },
  {
    title: "a bidirectional stream, message by message",
    async run({ driverPort, target }) {
      const options = { target, count: 100, bytes: 300, metadata: [["x-test-text", "bidi"]] };
      const result = (await drive(driverPort, "bidi", options)) as StreamResult;
      assert.equal(result.code, OK, result.details);
      assert.deepEqual([result.messages, result.bytes], [100, 30_000]);
      assert.equal(find(result.initial ?? [], "initial-x-test-text"), "bidi");
      assert.equal(find(result.trailers, "trailer-x-test-text"), "bidi");
    },
  },
  {
    title: "a message of 4 MB both ways",
    async run({ driverPort, target }) {
      const request = { message: "m".repeat(FOUR_MEGABYTES), replyBytes: FOUR_MEGABYTES };
      const { code, details, reply } = await call(driverPort, "unary", { target, request });
      assert.equal(code, OK, details);
      assert.equal(String(reply?.["message"]).length, FOUR_MEGABYTES);
      assert.equal(String(reply?.["payload"]).length, FOUR_MEGABYTES);
    },
  },
  {
    title: "an error of the server with details and trailers, before anything else (trailers-only)",
    async run({ driverPort, target }) {
      const request = { status: INVALID_ARGUMENT, details: "100 % wrong: größer\nthan 5" };
      const metadata = [
        ["x-test-text", "why"],
        ["x-test-data-bin", BINARY],
      ];
      const result = await call(driverPort, "unary", { target, request, metadata });
      assert.equal(result.code, INVALID_ARGUMENT);
      assert.equal(result.details, request.details);
      assert.equal(result.reply, null);
      assert.equal(find(result.trailers, "trailer-x-test-text"), "why");
      assert.equal(find(result.trailers, "trailer-x-test-data-bin"), BINARY);
    },
  },
  {
    title: "an error of the server in the middle of a stream",
    async run({ driverPort, target }) {
      const request = { count: 10, failAfter: 3 };
      const result = (await drive(driverPort, "serverStream", { target, request })) as StreamResult;
      assert.deepEqual([result.code, result.details, result.messages], [DATA_LOSS, "failed after 3", 3]);
    },
  },
  {
    title: "a deadline, which the server is told of and learns the end of",
    async run({ driverPort, target }) {
      const { reply } = await call(driverPort, "unary", { target, deadlineMs: 60_000 });
      assert.equal(reply?.["deadline"], true, "the server knows the deadline");
      const before = await counts(driverPort, target);
      const result = await call(driverPort, "unary", { target, method: "hold", deadlineMs: 300 });
      assert.equal(result.code, DEADLINE_EXCEEDED, result.details);
      const seen = await counts(driverPort, target, { cancelled: before.cancelled + 1 });
      assert.equal(seen.open, 0, "the server holds nothing any more");
    },
  },
  {
    title: "a cancellation, which reaches the server",
    async run({ driverPort, target }) {
      const before = await counts(driverPort, target);
      const result = await call(driverPort, "cancel", { target, by: before.held + 1 });
      assert.equal(result.code, CANCELLED, result.details);
      const seen = await counts(driverPort, target, { cancelled: before.cancelled + 1 });
      assert.equal(seen.open, 0, "the server holds nothing any more");
    },
  },
  {
    title: "a cancellation in the middle of a server stream",
    async run({ driverPort, target }) {
      const request = { count: 100_000, replyBytes: 1_000 };
      const options = { target, request, cancelAfter: 5 };
      const result = (await drive(driverPort, "serverStream", options)) as StreamResult;
      assert.equal(result.code, CANCELLED, result.details);
      assert.ok(result.messages < 100_000, `the stream ended early, after ${result.messages} messages`);
      assert.equal((await call(driverPort, "unary", { target })).code, OK, "the connection is as good as before");
    },
  },
  {
    title: `${HELD_CALLS} calls at once`,
    async run({ driverPort, target }) {
      const before = await counts(driverPort, target);
      const options = { target, count: HELD_CALLS, heldBefore: before.held };
      const result = (await drive(driverPort, "concurrent", options)) as Readonly<Record<string, unknown>>;
      assert.deepEqual(result, { open: HELD_CALLS, codes: { [OK]: HELD_CALLS } });
    },
  },
];

export async function call(
  driverPort: number,
  task: string,
  options: Readonly<Record<string, unknown>>,
): Promise<CallResult> {
  return (await drive(driverPort, task, options)) as CallResult;
}

export function find(metadata: readonly (readonly [name: string, value: string])[], name: string): string | null {
  return metadata.find(([key]) => key === name)?.[1] ?? null;
}

interface HeldCounts {
  readonly held: number;
  readonly cancelled: number;
  readonly open: number;
}

/** What the server has counted, once there are as many as `wanted`. */
async function counts(
  driverPort: number,
  target: string,
  wanted: Readonly<Record<string, number>> = {},
): Promise<HeldCounts> {
  const { code, details, reply } = await call(driverPort, "unary", { target, method: "wait", request: wanted });
  assert.equal(code, OK, details);
  return reply as unknown as HeldCounts;
}

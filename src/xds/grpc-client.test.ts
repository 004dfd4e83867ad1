import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Server, ServerCredentials, type ServerDuplexStream, type UntypedHandleCall } from "@grpc/grpc-js";
import { FakeClock } from "../testing/fake-clock.ts";
import { findFreePort, listenFreezing, listenHttp2, listenMutely } from "../testing/odd-servers.ts";
import { createTestCa, type TestCa } from "../testing/test-ca.ts";
import { systemClock } from "../time/system-clock.ts";
import type { KeyPair } from "../transport/transport.ts";
import { GrpcClient, type GrpcClientOptions } from "./grpc-client.ts";
import { GrpcError, type GrpcStatus } from "./grpc-status.ts";

const CONTROL_PLANE_ID = "spiffe://test.mesh/ns/weft/sa/control-plane";

let ca: TestCa;
let serverPair: KeyPair;
let clientPair: KeyPair;
let server: Server;
let port: number;

const identity = (bytes: Buffer): Buffer => bytes;
const raw = {
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
};

const DEFINITION = {
  Echo: { path: "/t.Test/Echo", requestStream: false, responseStream: false, ...raw },
  Fail: { path: "/t.Test/Fail", requestStream: false, responseStream: false, ...raw },
  Hang: { path: "/t.Test/Hang", requestStream: false, responseStream: false, ...raw },
  Who: { path: "/t.Test/Who", requestStream: false, responseStream: false, ...raw },
  Chat: { path: "/t.Test/Chat", requestStream: true, responseStream: true, ...raw },
};

type Unary = (
  call: { request: Buffer; metadata: { get(name: string): unknown[] }; getPeer(): string; getAuthContext(): unknown },
  callback: (error: { code: number; details: string } | null, answer?: Buffer) => void,
) => void;

const echo: Unary = (call, callback) => {
  callback(null, Buffer.concat([call.request, Buffer.from(call.metadata.get("x-note").map(String).join())]));
};
const fail: Unary = (_call, callback) => callback({ code: 7, details: "not you: ümlaut, 100 %" });
const hang: Unary = () => undefined;
const who: Unary = (call, callback) => callback(null, Buffer.from(call.getPeer()));
const chat = (call: ServerDuplexStream<Buffer, Buffer>): void => {
  call.on("data", (message: Buffer) => {
    if (message.toString() === "hang up") call.emit("error", { code: 10, details: "as you wish" });
    else call.write(message);
  });
  call.on("error", () => undefined);
  call.on("end", () => call.end());
};

before(async () => {
  ca = await createTestCa({ trustDomain: "test.mesh" });
  serverPair = await ca.issue({ namespace: "weft", serviceAccount: "control-plane", workload: "control-plane" });
  clientPair = await ca.issue({ namespace: "shop", serviceAccount: "web", workload: "web-0" });
  server = new Server();
  server.addService(DEFINITION, {
    Echo: echo as UntypedHandleCall,
    Fail: fail as UntypedHandleCall,
    Hang: hang as UntypedHandleCall,
    Who: who as UntypedHandleCall,
    Chat: chat as UntypedHandleCall,
  });
  port = await bind(server, serverPair, 0);
});

after(() => {
  server.forceShutdown();
});

function bind(target: Server, pair: KeyPair, at: number): Promise<number> {
  const credentials = ServerCredentials.createSsl(
    Buffer.from(ca.trustBundlePem),
    [{ private_key: Buffer.from(pair.keyPem), cert_chain: Buffer.from(pair.certificateChainPem) }],
    true,
  );
  return new Promise((resolve, reject) => {
    target.bindAsync(`127.0.0.1:${at}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
}

function createClient(options: Partial<GrpcClientOptions> = {}): GrpcClient {
  return new GrpcClient({
    host: "127.0.0.1",
    port,
    serverSpiffeId: CONTROL_PLANE_ID,
    credentials: () => ({ keyPair: clientPair, trustBundlePem: ca.trustBundlePem }),
    clock: systemClock,
    ...options,
  });
}

async function rejection(promise: Promise<unknown>): Promise<GrpcError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof GrpcError, `expected a GrpcError, found ${String(error)}`);
  return error;
}

/** A stream whose messages and end can be awaited. */
async function openChat(client: GrpcClient) {
  const messages: string[] = [];
  const waiting: (() => void)[] = [];
  let ended: (status: GrpcStatus) => void = () => undefined;
  const end = new Promise<GrpcStatus>((resolve) => (ended = resolve));
  const stream = await client.openStream("/t.Test/Chat", {
    onMessage: (message) => {
      messages.push(Buffer.from(message).toString());
      for (const wake of waiting.splice(0)) wake();
    },
    onEnd: (status) => ended(status),
  });
  const next = async (count: number): Promise<readonly string[]> => {
    while (messages.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return messages;
  };
  return { stream, end, next };
}

test("GrpcClient.unary() carries bytes and metadata both ways", async () => {
  const client = createClient();
  const answer = await client.unary("/t.Test/Echo", Buffer.from("hello "), {
    deadlineMs: 5_000,
    metadata: { "x-note": "note" },
  });
  assert.equal(Buffer.from(answer).toString(), "hello note");
  client.close();
});

test("GrpcClient.unary() carries an empty message and one of 8 MiB", async () => {
  const big = new Server({ "grpc.max_receive_message_length": -1 });
  big.addService({ Echo: DEFINITION.Echo }, { Echo: echo as UntypedHandleCall });
  const client = createClient({ port: await bind(big, serverPair, 0) });
  assert.equal((await client.unary("/t.Test/Echo", new Uint8Array(0), { deadlineMs: 5_000 })).length, 0);
  const payload = Buffer.alloc(8 * 1024 * 1024, "weft");
  const answer = await client.unary("/t.Test/Echo", payload, { deadlineMs: 20_000 });
  assert.equal(Buffer.compare(answer, payload), 0);
  client.close();
  big.forceShutdown();
});

test("GrpcClient.unary() rejects with the status and the decoded message of the server", async () => {
  const client = createClient();
  const error = await rejection(client.unary("/t.Test/Fail", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.equal(error.code, 7);
  assert.equal(error.message, "not you: ümlaut, 100 %");
  client.close();
});

test("GrpcClient.unary() rejects with UNIMPLEMENTED for a method the server does not know", async () => {
  const client = createClient();
  const error = await rejection(client.unary("/t.Test/Nothing", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.equal(error.code, 12);
  client.close();
});

test("GrpcClient.unary() rejects with DEADLINE_EXCEEDED when no answer comes in time, and the connection serves on", async () => {
  const client = createClient();
  const error = await rejection(client.unary("/t.Test/Hang", new Uint8Array(1), { deadlineMs: 30 }));
  assert.equal(error.code, 4);
  assert.equal((await client.unary("/t.Test/Echo", Buffer.from("on"), { deadlineMs: 5_000 })).length, 2);
  client.close();
});

test("GrpcClient.unary() rejects with RESOURCE_EXHAUSTED when the answer is above the size limit", async () => {
  const client = createClient({ maxMessageBytes: 10 });
  const error = await rejection(client.unary("/t.Test/Echo", new Uint8Array(11), { deadlineMs: 5_000 }));
  assert.equal(error.code, 8);
  client.close();
});

test("GrpcClient.openStream() carries messages both ways and ends with OK when both sides ended", async () => {
  const client = createClient();
  const { stream, end, next } = await openChat(client);
  stream.write(Buffer.from("a"));
  assert.deepEqual(await next(1), ["a"]);
  stream.write(Buffer.from("b"));
  stream.write(Buffer.from("c"));
  assert.deepEqual(await next(3), ["a", "b", "c"]);
  stream.end();
  assert.deepEqual(await end, { code: 0, message: "OK" });
  client.close();
});

test("GrpcClient.openStream() reports a status that the server sends in the middle", async () => {
  const client = createClient();
  const { stream, end } = await openChat(client);
  stream.write(Buffer.from("hang up"));
  assert.deepEqual(await end, { code: 10, message: "as you wish" });
  client.close();
});

test("GrpcStream.cancel() ends the stream with CANCELLED and leaves others on the connection alone", async () => {
  const client = createClient();
  const one = await openChat(client);
  const two = await openChat(client);
  one.stream.cancel();
  assert.equal((await one.end).code, 1);
  two.stream.write(Buffer.from("still here"));
  assert.deepEqual(await two.next(1), ["still here"]);
  client.close();
  assert.equal((await two.end).code, 14);
});

test("GrpcClient refuses a server with another SPIFFE ID, and says both", async () => {
  const client = createClient({ serverSpiffeId: "spiffe://test.mesh/ns/weft/sa/other" });
  const error = await rejection(client.unary("/t.Test/Echo", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.equal(error.code, 14);
  assert.match(error.message, /identity is spiffe:\/\/test\.mesh\/ns\/weft\/sa\/control-plane; expected .*\/sa\/other/);
  client.close();
});

test("GrpcClient refuses a server whose chain does not lead to the trust bundle", async () => {
  const other = await createTestCa({ trustDomain: "test.mesh" });
  const client = createClient({
    credentials: () => ({ keyPair: clientPair, trustBundlePem: other.trustBundlePem }),
  });
  const error = await rejection(client.unary("/t.Test/Echo", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.equal(error.code, 14);
  assert.match(error.message, /certificate/);
  client.close();
});

test("GrpcClient gets UNAVAILABLE from a server that demands a certificate when it has none", async () => {
  const client = createClient({ credentials: () => ({ keyPair: null, trustBundlePem: ca.trustBundlePem }) });
  const error = await rejection(client.unary("/t.Test/Echo", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.equal(error.code, 14);
  client.close();
});

test("GrpcClient gets UNAVAILABLE when nobody listens, and connects again with the next call", async () => {
  const freePort = await findFreePort();
  const client = createClient({ port: freePort });
  const error = await rejection(client.unary("/t.Test/Echo", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.equal(error.code, 14);
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1 port ${freePort}`));
  const late = new Server();
  late.addService({ Echo: DEFINITION.Echo }, { Echo: echo as UntypedHandleCall });
  await bind(late, serverPair, freePort);
  assert.equal((await client.unary("/t.Test/Echo", new Uint8Array(1), { deadlineMs: 5_000 })).length, 1);
  client.close();
  late.forceShutdown();
});

test("GrpcClient gives up on a server that accepts and says nothing, after connectTimeoutMs", async () => {
  const mute = await listenMutely();
  const clock = new FakeClock();
  const client = createClient({ port: mute.port, clock, connectTimeoutMs: 700 });
  const failed = rejection(client.openStream("/t.Test/Chat", { onMessage: () => undefined, onEnd: () => undefined }));
  await mute.accepted;
  clock.advance(700);
  assert.match((await failed).message, /no connection within 700 ms/);
  client.close();
  assert.equal(clock.pendingTimers(), 0);
  mute.close();
});

test("GrpcClient ends its calls with UNAVAILABLE when a keepalive PING is not answered", async () => {
  const relay = await listenFreezing(port);
  const clock = new FakeClock();
  const client = createClient({ port: relay.port, clock, keepaliveMs: 1_000, keepaliveTimeoutMs: 300 });
  const { end } = await openChat(client);
  relay.freeze();
  clock.advance(1_000);
  clock.advance(300);
  const status = await end;
  assert.equal(status.code, 14);
  assert.match(status.message, /PING was not answered within 300 ms/);
  client.close();
  assert.equal(clock.pendingTimers(), 0);
  relay.close();
});

test("GrpcClient.refresh() opens a new connection for new calls and leaves calls under way alone", async () => {
  let issued = 0;
  const client = createClient({
    credentials: () => {
      issued += 1;
      return { keyPair: clientPair, trustBundlePem: ca.trustBundlePem };
    },
  });
  const chatting = await openChat(client);
  const first = await client.unary("/t.Test/Who", new Uint8Array(1), { deadlineMs: 5_000 });
  client.refresh();
  const second = await client.unary("/t.Test/Who", new Uint8Array(1), { deadlineMs: 5_000 });
  assert.notEqual(Buffer.from(first).toString(), Buffer.from(second).toString());
  assert.equal(issued, 2);
  chatting.stream.write(Buffer.from("still here"));
  assert.deepEqual(await chatting.next(1), ["still here"]);
  client.close();
});

test("GrpcClient maps an answer that is not gRPC to a status", async () => {
  const web = await listenHttp2({ keyPair: serverPair, trustBundlePem: ca.trustBundlePem }, (stream) => {
    stream.respond({ ":status": 503, "content-type": "text/html" });
    stream.end("busy");
  });
  const client = createClient({ port: web.port });
  const error = await rejection(client.unary("/t.Test/Echo", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.equal(error.code, 14);
  assert.equal(error.message, "the server answered HTTP status 503");
  client.close();
  web.close();
});

test("GrpcClient fails a call that ends without a status", async () => {
  const web = await listenHttp2({ keyPair: serverPair, trustBundlePem: ca.trustBundlePem }, (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" });
    stream.end(Buffer.from([0, 0, 0, 0, 1, 7]));
  });
  const client = createClient({ port: web.port });
  const error = await rejection(client.unary("/t.Test/Echo", new Uint8Array(1), { deadlineMs: 5_000 }));
  assert.notEqual(error.code, 0);
  client.close();
  web.close();
});

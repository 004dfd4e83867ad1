// A gRPC client for tests that does what it is told: POST /<task> with its options in JSON to the port it prints; the answer
// is the task's result. Its gRPC calls are captured like those of any Node app.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { PORT, APP_MODULES } = process.env;
const grpc = createRequire(`${APP_MODULES}/package.json`)("@grpc/grpc-js");

const MAX_BYTES = 64 * 1024 * 1024;
const toBytes = (value) => Buffer.from(JSON.stringify(value));
const fromBytes = (bytes) => JSON.parse(bytes.toString());
const channels = new Map();

/** One channel for each target and name: grpc-js keeps one connection for each address. */
function channelTo(target, name = "") {
  const key = `${target} ${name}`;
  let client = channels.get(key);
  if (client === undefined) {
    client = new grpc.Client(target, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": MAX_BYTES,
      "grpc.use_local_subchannel_pool": 1,
      // No retries of the client's own: what fails must be seen.
      "grpc.enable_retries": 0,
    });
    channels.set(key, client);
  }
  return client;
}

function toMetadata(pairs = []) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of pairs) metadata.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  return metadata;
}

/** Pairs in order of name; binary values in base64. */
function fromMetadata(metadata) {
  if (metadata === undefined || metadata === null) return [];
  return Object.keys(metadata.getMap())
    .sort()
    .flatMap((name) =>
      metadata.get(name).map((value) => [name, typeof value === "string" ? value : value.toString("base64")]),
    );
}

function watch(call, result) {
  call.on("metadata", (metadata) => {
    result.initial = fromMetadata(metadata);
  });
  return new Promise((resolve) => {
    call.on("status", ({ code, details, metadata }) => {
      resolve(Object.assign(result, { code, details, trailers: fromMetadata(metadata) }));
    });
    call.on("error", () => undefined);
  });
}

const callOptions = ({ deadlineMs }) => (deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs });

function unary({ target, method = "unary", request = {}, metadata, deadlineMs, channel }, onCall = () => undefined) {
  const result = { reply: null };
  const client = channelTo(target, channel);
  const call = client.makeUnaryRequest(
    `/weft.test.Echo/${method}`,
    toBytes,
    fromBytes,
    request,
    toMetadata(metadata),
    callOptions({ deadlineMs }),
    (_, reply) => {
      result.reply = reply ?? null;
    },
  );
  onCall(call);
  return watch(call, result);
}

const loads = new Map();

const tasks = {
  unary: (options) => unary(options),

  async clientStream({ target, count, bytes }) {
    const result = { reply: null };
    const call = channelTo(target).makeClientStreamRequest(
      "/weft.test.Echo/clientStream",
      toBytes,
      fromBytes,
      new grpc.Metadata(),
      {},
      (_, reply) => {
        result.reply = reply ?? null;
      },
    );
    const ended = watch(call, result);
    for (let i = 0; i < count; i += 1) {
      if (!call.write({ message: "y".repeat(bytes) })) await new Promise((resolve) => call.once("drain", resolve));
    }
    call.end();
    return ended;
  },

  serverStream({ target, request, deadlineMs, cancelAfter = -1 }) {
    const result = { messages: 0, bytes: 0, inOrder: true };
    const call = channelTo(target).makeServerStreamRequest(
      "/weft.test.Echo/serverStream",
      toBytes,
      fromBytes,
      request,
      new grpc.Metadata(),
      callOptions({ deadlineMs }),
    );
    call.on("data", ({ index, payload }) => {
      result.inOrder &&= index === result.messages;
      result.messages += 1;
      result.bytes += payload.length;
      if (result.messages === cancelAfter) call.cancel();
    });
    return watch(call, result);
  },

  /** Ping-pong: the next message leaves when the last one is back. */
  bidi({ target, count, bytes, metadata }) {
    const result = { messages: 0, bytes: 0 };
    const call = channelTo(target).makeBidiStreamRequest(
      "/weft.test.Echo/bidi",
      toBytes,
      fromBytes,
      toMetadata(metadata),
      {},
    );
    const message = "z".repeat(bytes);
    call.on("data", (reply) => {
      result.messages += 1;
      result.bytes += reply.message.length;
      if (result.messages < count) call.write({ message });
      else call.end();
    });
    call.write({ message });
    return watch(call, result);
  },

  async cancel({ target, by }) {
    let held;
    const ended = unary({ target, method: "hold" }, (call) => {
      held = call;
    });
    await unary({ target, method: "wait", request: { held: by } });
    held.cancel();
    return ended;
  },

  /** `count` calls open at once, held by the server until all are there. */
  async concurrent({ target, count, heldBefore = 0, channel }) {
    const ends = [];
    for (let i = 0; i < count; i += 1) ends.push(unary({ target, method: "hold", channel }));
    const failed = Promise.race(ends).then(({ code, details }) => ({ early: `${code} ${details}` }));
    const all = unary({ target, method: "wait", request: { held: heldBefore + count } });
    const state = await Promise.race([all, failed]);
    if (state.early !== undefined) return { early: state.early };
    await unary({ target, method: "release" });
    const results = await Promise.all(ends);
    return { open: state.reply.open, codes: tally(results.map(({ code }) => code)) };
  },

  /** Many calls, `parallel` at a time; how many each instance answered. */
  async many({ target, count, parallel, channel }) {
    const instances = [];
    const failures = [];
    let started = 0;
    const worker = async () => {
      while (started < count) {
        started += 1;
        const { code, details, reply } = await unary({ target, channel });
        if (code === 0) instances.push(reply.instance);
        else failures.push(`${code} ${details}`);
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return { instances: tally(instances), failures };
  },

  /** Calls without end, until `stopLoad`. */
  startLoad({ target, parallel }) {
    const load = { stopping: false, ok: 0, failures: [], ended: null };
    const worker = async () => {
      while (!load.stopping) {
        const { code, details, trailers } = await unary({ target, channel: "load" });
        if (code === 0) load.ok += 1;
        else load.failures.push({ code, details, trailers });
      }
    };
    load.ended = Promise.all(Array.from({ length: parallel }, worker));
    loads.set(target, load);
    return {};
  },

  progress: ({ target }) => ({ ok: loads.get(target).ok, failed: loads.get(target).failures.length }),

  async stopLoad({ target }) {
    const load = loads.get(target);
    load.stopping = true;
    await load.ended;
    return { ok: load.ok, failures: load.failures };
  },

  close() {
    for (const client of channels.values()) client.close();
    channels.clear();
    return {};
  },
};

function tally(values) {
  const counts = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

const server = createServer(async (request, response) => {
  try {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    const result = await tasks[request.url.slice(1)](JSON.parse(text));
    response.end(JSON.stringify(result));
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
});
server.requestTimeout = 0;
server.listen(Number(PORT), "127.0.0.1", () => console.log(`grpc-driver listens on ${server.address().port}`));
process.once("SIGTERM", () => process.exit(0));

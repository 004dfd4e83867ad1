// A gRPC service for tests, /weft.test.Echo/<method>, with messages in JSON. `APP_MODULES` names a folder that has grpc-js.
// Every answer says which instance made it; calls that are held stay open until somebody releases them.
import { createRequire } from "node:module";

const { PORT, APP_MODULES, WEFT_SERVICE = "", WEFT_VERSION = "" } = process.env;
const grpc = createRequire(`${APP_MODULES}/package.json`)("@grpc/grpc-js");

const instance = `${WEFT_SERVICE} ${WEFT_VERSION || "-"} ${process.pid}`;
const held = new Set();
const waiters = [];
const counts = { held: 0, cancelled: 0 };

const implementation = {
  unary(call, callback) {
    const { message = "", status = 0, details = "", replyBytes = 0 } = call.request;
    const trailers = echoMetadata(call.metadata, "trailer");
    if (status !== 0) {
      callback({ code: status, details, metadata: trailers });
      return;
    }
    call.sendMetadata(echoMetadata(call.metadata, "initial"));
    const reply = { instance, message, payload: "x".repeat(replyBytes), got: JSON.stringify(call.request).length };
    callback(null, { ...reply, authority: call.getHost(), deadline: call.getDeadline() !== Infinity }, trailers);
  },

  clientStream(call, callback) {
    let messages = 0;
    let bytes = 0;
    call.on("data", (request) => {
      messages += 1;
      bytes += request.message.length;
    });
    call.on("end", () => callback(null, { instance, messages, bytes }));
    call.on("error", () => undefined);
  },

  serverStream(call) {
    const { count = 1, replyBytes = 0, failAfter = -1 } = call.request;
    let index = 0;
    const write = () => {
      for (let open = true; index < count && open; index += 1) {
        if (index === failAfter) {
          call.emit("error", { code: grpc.status.DATA_LOSS, details: `failed after ${index}` });
          return;
        }
        open = call.write({ instance, index, payload: "x".repeat(replyBytes) });
      }
      if (index < count) call.once("drain", write);
      else call.end();
    };
    write();
  },

  bidi(call) {
    call.sendMetadata(echoMetadata(call.metadata, "initial"));
    call.on("data", (request) => call.write({ instance, message: request.message }));
    call.on("end", () => call.end(echoMetadata(call.metadata, "trailer")));
    call.on("error", () => undefined);
  },

  /** Answered by `release`. */
  hold(call, callback) {
    held.add(callback);
    counts.held += 1;
    call.on("cancelled", () => {
      held.delete(callback);
      counts.cancelled += 1;
      wake();
    });
    wake();
  },

  release(_, callback) {
    const released = held.size;
    for (const answer of held) answer(null, { instance, message: "released" });
    held.clear();
    callback(null, { released });
  },

  /** Answers when so many calls are held, or have been cancelled, since the start. */
  wait(call, callback) {
    waiters.push({ wanted: call.request, callback });
    wake();
  },
};

function wake() {
  for (const waiter of waiters.slice()) {
    const { wanted, callback } = waiter;
    if (counts.held < (wanted.held ?? 0) || counts.cancelled < (wanted.cancelled ?? 0)) continue;
    waiters.splice(waiters.indexOf(waiter), 1);
    callback(null, { ...counts, open: held.size });
  }
}

/** What the caller sent under x-…, under another prefix. */
function echoMetadata(received, prefix) {
  const sent = new grpc.Metadata();
  for (const key of Object.keys(received.getMap())) {
    if (!key.startsWith("x-test")) continue;
    for (const value of received.get(key)) sent.add(`${prefix}-${key}`, value);
  }
  return sent;
}

const KINDS = {
  unary: [false, false],
  clientStream: [true, false],
  serverStream: [false, true],
  bidi: [true, true],
  hold: [false, false],
  release: [false, false],
  wait: [false, false],
};
const toBytes = (value) => Buffer.from(JSON.stringify(value));
const fromBytes = (bytes) => JSON.parse(bytes.toString());
const service = Object.fromEntries(
  Object.entries(KINDS).map(([name, [requestStream, responseStream]]) => [
    name,
    {
      path: `/weft.test.Echo/${name}`,
      requestStream,
      responseStream,
      requestSerialize: toBytes,
      requestDeserialize: fromBytes,
      responseSerialize: toBytes,
      responseDeserialize: fromBytes,
    },
  ]),
);

const server = new grpc.Server({ "grpc.max_receive_message_length": 64 * 1024 * 1024 });
server.addService(service, implementation);
server.bindAsync(`127.0.0.1:${PORT}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(`grpc-echo listens on ${port}`);
});
process.once("SIGTERM", () => process.exit(0));

// Two links of a chain by gRPC, for tests, that know nothing of traces and deadlines. With CALLS: an HTTP service that
// answers by a gRPC call to it. Without: the gRPC service, which answers by fetching NEXT. An answer lists what each link
// was asked with, first link first, as in chain.mjs. `APP_MODULES` names a folder that has grpc-js.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { PORT, CALLS = "", NEXT = "", APP_MODULES, WEFT_SERVICE = "" } = process.env;
const grpc = createRequire(`${APP_MODULES}/package.json`)("@grpc/grpc-js");

const METHOD = "/weft.test.Link/Ask";
const toBytes = (value) => Buffer.from(JSON.stringify(value));
const fromBytes = (bytes) => JSON.parse(bytes.toString());

async function answerNext(seen) {
  const response = await fetch(NEXT);
  return [seen, ...(await response.json())];
}

if (CALLS === "") {
  const definition = {
    path: METHOD,
    requestStream: false,
    responseStream: false,
    requestSerialize: toBytes,
    requestDeserialize: fromBytes,
    responseSerialize: toBytes,
    responseDeserialize: fromBytes,
  };
  const server = new grpc.Server();
  server.addService(
    { ask: definition },
    {
      ask(call, answer) {
        const deadline = call.getDeadline();
        const leftMs = deadline === Infinity ? null : Number(deadline) - Date.now();
        const seen = { service: WEFT_SERVICE, fields: { ...call.metadata.getMap(), leftMs } };
        answerNext(seen).then(
          (links) => answer(null, links),
          (error) => answer({ code: grpc.status.INTERNAL, details: String(error) }),
        );
      },
    },
  );
  server.bindAsync(`127.0.0.1:${PORT}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
} else {
  const client = new grpc.Client(CALLS, grpc.credentials.createInsecure());
  const server = createServer((request, response) => {
    const seen = { service: WEFT_SERVICE, fields: request.headers };
    client.makeUnaryRequest(METHOD, toBytes, fromBytes, {}, (error, rest) => {
      response.statusCode = error === null ? 200 : 502;
      response.end(error === null ? JSON.stringify([seen, ...rest]) : error.message);
    });
  });
  server.listen(Number(PORT), "127.0.0.1");
}
process.once("SIGTERM", () => process.exit(0));

// One link of a chain of services for tests. It knows nothing of traces and deadlines, and passes every request on to
// NEXT by the kind of client in CLIENT (http, fetch or http2). The last link, which has no NEXT, answers /ok and never
// answers /hang; /other goes to OTHER only. An answer lists what each link was asked with, first link first. Each request
// that ended is a line of JSON in JOURNAL.
import { appendFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { connect } from "node:http2";

const { PORT, NEXT = "", OTHER = "", CLIENT = "http", JOURNAL = "", WEFT_SERVICE = "" } = process.env;

async function readAll(stream) {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk;
  return text;
}

const clients = {
  http: (url) =>
    new Promise((resolve, reject) => {
      const request = get(url, (response) => {
        readAll(response).then((body) => resolve({ status: response.statusCode, body }), reject);
      });
      request.on("error", reject);
    }),
  async fetch(url) {
    const response = await fetch(url);
    return { status: response.status, body: await response.text() };
  },
  http2: (url) =>
    new Promise((resolve, reject) => {
      const session = connect(url);
      session.on("error", reject);
      const stream = session.request({ ":path": new URL(url).pathname });
      stream.on("error", reject);
      stream.on("response", (fields) => {
        readAll(stream)
          .then((body) => resolve({ status: fields[":status"], body }), reject)
          .finally(() => session.close());
      });
    }),
};

async function answer(request, response) {
  const seen = { service: WEFT_SERVICE, fields: request.headers };
  const next = request.url === "/other" ? OTHER : NEXT;
  if (next === "" && request.url === "/hang") return;
  const { status, body } = next === "" ? { status: 200, body: "[]" } : await clients[CLIENT](`${next}${request.url}`);
  response.statusCode = status;
  response.end(status === 200 ? JSON.stringify([seen, ...JSON.parse(body)]) : body);
}

const server = createServer((request, response) => {
  const startedMs = performance.now();
  response.on("close", () => {
    if (JOURNAL === "") return;
    const ms = Math.round(performance.now() - startedMs);
    const entry = { service: WEFT_SERVICE, path: request.url, id: request.headers["x-request-id"], ms };
    appendFileSync(JOURNAL, `${JSON.stringify({ ...entry, answered: response.writableFinished })}\n`);
  });
  answer(request, response).catch((error) => {
    response.statusCode = 502;
    response.end(`${WEFT_SERVICE}: ${error.message}`);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

// An app that works on WORKERS requests at once, SERVICE_MS each on average (exponential times); the others wait in it,
// first come first served, without bound. Says in `x-instance` who it is.
import { createServer } from "node:http";

const { PORT, INSTANCE } = process.env;
const workers = Number(process.env.WORKERS);
const serviceMs = Number(process.env.SERVICE_MS);
const waiting = [];
let busy = 0;
let state = 1;

function drawMs() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return -Math.log(1 - state / 2 ** 32) * serviceMs;
}

function work(response) {
  busy += 1;
  setTimeout(() => {
    response.writeHead(200, { "x-instance": INSTANCE }).end("done");
    busy -= 1;
    const next = waiting.shift();
    if (next !== undefined) work(next);
  }, drawMs());
}

const server = createServer((request, response) => {
  request.resume();
  if (busy < workers) work(response);
  else waiting.push(response);
});
server.keepAliveTimeout = 60_000;
server.listen(Number(PORT), "127.0.0.1");

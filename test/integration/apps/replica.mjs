// A replica for tests that works 40 ms for each answer and fails on demand. Every request it receives is a line "METHOD id pid" in JOURNAL, so that a test can
// tell how often each was sent. A second port, printed at the start and unknown to the mesh, sets how it fails:
//   POST /ok      answers (and whatever was held back is answered now)
//   POST /error   answers 500
//   POST /reset   resets the connection once a request has come
//   POST /slow    answers after 5 s
//   POST /refuse  closes its port, and each connection once it is idle; the process lives on
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";

const WORK_MS = 40;
const SLOW_MS = 5000;
const { PORT, JOURNAL } = process.env;
const held = new Set();
let mode = "ok";

const server = createServer((request, response) => {
  appendFileSync(JOURNAL, `${request.method} ${request.headers["x-id"]} ${process.pid}\n`);
  request.resume();
  response.on("finish", () => mode === "refuse" && request.socket.end());
  if (mode === "reset") {
    request.socket.resetAndDestroy();
  } else if (mode === "error") {
    response.statusCode = 500;
    response.end();
  } else {
    const timer = setTimeout(() => release(), mode === "slow" ? SLOW_MS : WORK_MS);
    const release = () => {
      clearTimeout(timer);
      held.delete(release);
      response.end("answer");
    };
    held.add(release);
  }
});
server.keepAliveTimeout = 60_000;
const listen = () => server.listen(Number(PORT), "127.0.0.1");
listen();

const control = createServer((request, response) => {
  mode = request.url.slice(1);
  if (mode === "refuse") {
    server.close();
  } else if (!server.listening) {
    listen();
  }
  if (mode === "ok") for (const release of held) release();
  response.end();
});
control.listen(0, "127.0.0.1", () => console.log(`control at ${control.address().port}`));
process.once("SIGTERM", () => process.exit(0));

// A server behind an ingress: tells in JSON who it is and what it was asked, and echoes WebSocket messages.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const { PORT, APP_MODULES, WEFT_SERVICE } = process.env;
const { WebSocketServer } = createRequire(join(APP_MODULES, "package.json"))("ws");

const server = createServer((request, response) => {
  let bytes = 0;
  request.on("data", (chunk) => (bytes += chunk.length));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    const { pathname, searchParams } = new URL(request.url, "http://app");
    const size = Number(searchParams.get("size") ?? "0");
    if (size > 0) response.end(Buffer.alloc(size, "x"));
    else response.end(JSON.stringify({ service: WEFT_SERVICE, path: pathname, bytes, headers: request.headers }));
  });
});
const sockets = new WebSocketServer({ server });
sockets.on("connection", (socket) => {
  socket.on("message", (data) => socket.send(String(data)));
  socket.on("error", () => undefined);
});
server.listen(Number(PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

// A WebSocket server for tests, on `ws`: echoes what it gets, does what `?do=` asks for, and on /call?to=NAME opens a
// WebSocket to another service by name and tells what came back.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const { PORT, APP_MODULES } = process.env;
const { WebSocket, WebSocketServer } = createRequire(join(APP_MODULES, "package.json"))("ws");

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://app");
  if (url.pathname !== "/call") {
    response.end(`plain ${request.method} ${url.pathname}`);
    return;
  }
  const socket = new WebSocket(`ws://${url.searchParams.get("to")}/echo`);
  socket.on("open", () => socket.send("by name"));
  socket.on("message", (data) => {
    response.end(`heard ${data}`);
    socket.close(1000);
  });
  socket.on("error", (error) => response.writeHead(502).end(String(error)));
});
const sockets = new WebSocketServer({ server, maxPayload: 8 * 1024 * 1024, handleProtocols: () => "echo.test" });
sockets.on("connection", (socket, request) => {
  const task = new URL(request.url, "http://app").searchParams.get("do");
  if (task === "greet") socket.send("hello");
  if (task === "close") socket.close(4001, "as asked");
  if (task === "die") socket.terminate();
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
  socket.on("error", () => undefined);
});
server.listen(Number(PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

// A service for tests that answers the same over HTTP/1.1 (SPEAKS=h1) and over HTTP/2 in the clear (SPEAKS=h2), each with
// Node's own server. ANSWER_BYTES pads the answers to every path that is not named here.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";

/** Of RFC 9113 §7. */
const INTERNAL_ERROR = 2;
const { PORT, SPEAKS = "h1", ANSWER_BYTES = "0" } = process.env;
/** Nothing of Node's own may get in the way. */
const LIMITS = { maxSessionMemory: 256, maxHeaderListPairs: 1000, maxHeaderSize: 256 * 1024 };
/** Answers of /events that wait for the next POST to /next. */
const listeners = new Set();

const paths = {
  /** What was asked, as the server read it. */
  async ask(request, response) {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of request) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    const { method, url, httpVersion, headers, trailers } = request;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, httpVersion, headers, trailers, bytes, sha256: hash.digest("hex") }));
  },
  /** The request's body. */
  echo(request, response) {
    if (request.headers["content-length"] !== undefined) {
      response.setHeader("content-length", request.headers["content-length"]);
    }
    request.pipe(response);
  },
  bytes(_, response, size) {
    response.setHeader("content-length", size);
    response.end(Buffer.alloc(Number(size), "b"));
  },
  /** Without a length. */
  stream(_, response, size) {
    response.write(Buffer.alloc(Number(size), "s"));
    response.end();
  },
  async trailers(request, response) {
    for await (const _ of request);
    if (SPEAKS === "h1") response.setHeader("trailer", "x-check, x-seen");
    response.write("body");
    response.addTrailers({ "x-check": "sum", "x-seen": request.trailers["x-sent"] ?? "none" });
    response.end();
  },
  hints(_, response) {
    response.writeEarlyHints({ link: "</style.css>; rel=preload" });
    response.end("after the hints");
  },
  cookies(request, response) {
    response.setHeader("set-cookie", ["one=1; Path=/", "two=2", "three=3; HttpOnly"]);
    response.end(request.headers.cookie ?? "");
  },
  /** The fields that begin with x-long. */
  fields(request, response) {
    for (const [name, value] of Object.entries(request.headers)) {
      if (name.startsWith("x-long")) response.setHeader(name, value);
    }
    response.end();
  },
  status(_, response, code) {
    response.statusCode = Number(code);
    response.end(["204", "304"].includes(code) ? undefined : `status ${code}`);
  },
  /** Before the body has come. */
  refuse(_, response) {
    response.statusCode = 413;
    response.end("too much");
  },
  /** Nothing but a head, then silence: the connection breaks in the middle of the body. */
  broken(_, response) {
    response.setHeader("content-length", 1000);
    response.write("part", () => {
      if (response.stream === undefined) response.socket.destroy();
      else response.stream.close(INTERNAL_ERROR);
    });
  },
  events(_, response) {
    response.setHeader("content-type", "text/event-stream");
    response.write("data: 0\n\n");
    listeners.add(response);
    response.on("close", () => listeners.delete(response));
  },
  next(_, response, number) {
    for (const listener of listeners) listener.write(`data: ${number}\n\n`);
    response.end(String(listeners.size));
  },
  async other(request, response) {
    for await (const _ of request);
    response.end("a".repeat(Number(ANSWER_BYTES)));
  },
};

const answer = async (request, response) => {
  request.on("error", () => undefined);
  response.on("error", () => undefined);
  const [, name = "", argument = ""] = request.url.split("?")[0].split("/");
  try {
    await (paths[name] ?? paths.other)(request, response, argument);
  } catch {
    response.destroy?.();
  }
};
const server = SPEAKS === "h2" ? createHttp2Server(LIMITS, answer) : createServer(LIMITS, answer);
server.on("sessionError", () => undefined);
server.listen(Number(PORT), "127.0.0.1", () => console.log(`http-peer listens on ${server.address().port}`));
process.once("SIGTERM", () => process.exit(0));

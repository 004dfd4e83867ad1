// Sends datagrams for whoever asks by HTTP: GET /?to=NAME&count=N&bytes=B&text=T from one new socket, to the variables of NAME or, with port=P, to the name itself; answers in JSON with what
// came back until all of it did or nothing came for a while.
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { connect } from "node:net";

const PATIENCE_MS = 2000;

function exchange(to, { count, bytes, text, namedPort }) {
  const name = to.toUpperCase().replaceAll("-", "_");
  const [host, port] =
    namedPort !== null
      ? [to, Number(namedPort)]
      : [process.env[`${name}_SERVICE_HOST`], Number(process.env[`${name}_SERVICE_PORT`])];
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const answers = [];
    let last = "";
    let isRight = true;
    let timer = setTimeout(finish, PATIENCE_MS);
    function finish() {
      clearTimeout(timer);
      socket.close();
      resolve({ answers: answers.length, isRight, last });
    }
    socket.on("message", (message) => {
      clearTimeout(timer);
      timer = setTimeout(finish, PATIENCE_MS);
      last = message.length < 100 ? String(message) : "";
      if (text === null) isRight &&= message.equals(payload(answers.length));
      answers.push(0);
      if (answers.length === count) finish();
      else if (text === null) send();
    });
    // Sizes differ, and each answer is waited for: UDP has no order to rely on, but one at a time has one.
    const payload = (at) => Buffer.alloc(1 + ((bytes * 7 + at * 131) % bytes), at % 251);
    const send = () => socket.send(text === null ? payload(answers.length) : text, port, host);
    send();
  });
}

/** The same over TCP, by the name of the service. */
function exchangeBytes(to, port) {
  return new Promise((resolve) => {
    const socket = connect({ host: to, port });
    const timer = setTimeout(() => finish(""), PATIENCE_MS);
    function finish(last) {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answers: last === "" ? 0 : 1, isRight: true, last });
    }
    socket.on("data", (bytes) => finish(String(bytes)));
    socket.on("error", () => finish(""));
    socket.on("close", () => finish(""));
    socket.write("bytes");
  });
}

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://app");
  const settings = {
    count: Number(searchParams.get("count") ?? "1"),
    bytes: Number(searchParams.get("bytes") ?? "100"),
    text: searchParams.get("text"),
    namedPort: searchParams.get("port"),
  };
  const to = searchParams.get("to");
  const done = pathname === "/tcp" ? exchangeBytes(to, Number(searchParams.get("port"))) : exchange(to, settings);
  void done.then((answer) => response.end(JSON.stringify(answer)));
}).listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

// A service for tests that speaks Redis, PostgreSQL and a mail-like protocol by hand, over plain `net`, to names of the mesh.
// GET /redis?host=&port=&count= · /postgres?host=&port=&user= · /mail?host=&port= · /http?host=&port= answer JSON.
import { createServer } from "node:http";
import { connect } from "node:net";

const LIMIT_MS = 20_000;

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://client");
  const target = { host: searchParams.get("host") ?? "", port: Number(searchParams.get("port")) };
  const talk = { "/redis": redis, "/postgres": postgres, "/mail": mail, "/http": http }[pathname];
  if (talk === undefined) {
    response.writeHead(404).end();
    return;
  }
  const startedMs = performance.now();
  talk(target, searchParams).then(
    (result) => response.end(JSON.stringify({ ...result, ms: performance.now() - startedMs })),
    (error) => response.writeHead(502).end(String(error)),
  );
}).listen(Number(process.env.PORT), "127.0.0.1");

/** `onData` gets everything so far and returns the result once it is complete, else undefined. */
function converse({ host, port }, { first, onData }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let received = Buffer.alloc(0);
    let result;
    socket.setTimeout(LIMIT_MS, () => socket.destroy(new Error(`nothing for ${LIMIT_MS} ms`)));
    socket.on("error", reject);
    socket.on("connect", () => first && socket.write(first));
    socket.on("data", (bytes) => {
      received = Buffer.concat([received, bytes]);
      try {
        result = onData(received, socket) ?? result;
      } catch (error) {
        socket.destroy(error);
      }
      if (result !== undefined) socket.end();
    });
    socket.on("close", () => {
      if (result === undefined)
        reject(new Error(`closed after ${JSON.stringify(received.toString("latin1").slice(0, 200))}`));
      else resolve(result);
    });
  });
}

/** One pipeline of SET and GET, `count` of each, and a PING. */
function redis(target, parameters) {
  const count = Number(parameters.get("count") ?? 1);
  const command = (...words) =>
    `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
  let pipeline = "";
  let expected = "";
  for (let i = 0; i < count; i += 1) {
    pipeline += command("SET", `key-${i}`, `value ${i}`) + command("GET", `key-${i}`);
    expected += `+OK\r\n$${`value ${i}`.length}\r\nvalue ${i}\r\n`;
  }
  pipeline += command("PING");
  expected += "+PONG\r\n";
  return converse(target, {
    first: pipeline,
    onData(received) {
      if (received.length < expected.length) return undefined;
      return { isRight: received.toString("latin1") === expected, bytes: received.length };
    },
  });
}

/** Start-up with trust, then one simple query of many rows. */
function postgres(target, parameters) {
  const user = parameters.get("user");
  const words = Buffer.from(`user\0${user}\0database\0postgres\0\0`);
  const start = Buffer.alloc(8);
  start.writeInt32BE(words.length + 8, 0);
  start.writeInt32BE(196_608, 4);
  const text = Buffer.from("select n, md5(n::text) from generate_series(1, 1000) as n\0");
  const query = Buffer.alloc(5);
  query.write("Q");
  query.writeInt32BE(text.length + 4, 1);
  let asked = false;
  return converse(target, {
    first: Buffer.concat([start, words]),
    onData(received, socket) {
      const rows = [];
      let readies = 0;
      for (let at = 0; at + 5 <= received.length;) {
        const type = String.fromCharCode(received[at]);
        const end = at + 1 + received.readInt32BE(at + 1);
        if (end > received.length) return undefined;
        if (type === "E") throw new Error(received.toString("latin1", at + 5, end));
        if (type === "D") rows.push(received.toString("latin1", end - 32, end));
        if (type === "Z") readies += 1;
        at = end;
      }
      if (readies === 1 && !asked) {
        asked = true;
        socket.write(Buffer.concat([query, text]));
      }
      return readies === 2 ? { rows: rows.length, last: rows.at(-1) } : undefined;
    },
  });
}

/** Waits for the server's greeting, as mail clients do. */
function mail(target) {
  let told = false;
  return converse(target, {
    onData(received, socket) {
      const text = received.toString("latin1");
      if (text.startsWith("220 ") && !told) {
        told = true;
        socket.write("EHLO client\r\n");
      }
      return text.endsWith("250 hello client\r\n") ? { greeting: text.split("\r\n")[0] } : undefined;
    },
  });
}

function http({ host, port }) {
  return converse(
    { host, port },
    {
      first: `GET /who HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      onData: (received) => {
        const text = received.toString("latin1");
        return text.includes("\r\n\r\n") ? { status: Number(text.split(" ")[1]) } : undefined;
      },
    },
  );
}

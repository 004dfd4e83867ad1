// A service for tests that speaks first, as mail servers do.
import { createServer } from "node:net";

createServer((socket) => {
  socket.write("220 mail.test ready\r\n");
  socket.setEncoding("latin1");
  let text = "";
  socket.on("data", (piece) => {
    text += piece;
    const match = /^EHLO (\S+)\r\n$/.exec(text);
    if (match !== null) socket.write(`250 hello ${match[1]}\r\n`);
  });
  socket.on("error", () => socket.destroy());
}).listen(Number(process.env.PORT), "127.0.0.1");

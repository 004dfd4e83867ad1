// Answers each datagram with its own name, WEFT_SERVICE or the process, and what it got. PORT says where.
import { createSocket } from "node:dgram";

const socket = createSocket("udp4");
socket.on("message", (bytes, from) => {
  if (String(bytes) === "whoami") socket.send(String(process.pid), from.port, from.address);
  else socket.send(bytes, from.port, from.address);
});
socket.bind(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

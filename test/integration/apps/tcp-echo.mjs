// Says its name first when SPEAKS_FIRST is set, and sends back what it gets.
import { createServer } from "node:net";

const { PORT, WEFT_SERVICE = "", SPEAKS_FIRST = "" } = process.env;

createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  if (SPEAKS_FIRST !== "") socket.write(`${WEFT_SERVICE}\n`);
  socket.on("data", (bytes) => socket.write(`${WEFT_SERVICE}:${bytes}`));
  socket.on("end", () => socket.end());
}).listen(Number(PORT), "127.0.0.1");

process.once("SIGTERM", () => process.exit(0));

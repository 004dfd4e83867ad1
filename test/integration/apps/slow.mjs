// A service that takes a second for every answer.
import { createServer } from "node:http";

const server = createServer((_, response) => setTimeout(() => response.end("slow"), 1000));
server.listen(Number(process.env.PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

// A service for tests. /who says who answers; anything else is told back as JSON, exactly as node:http read it. What was
// read is also kept, and told by a second port (printed at the start) that the mesh knows nothing of.
import { createServer } from "node:http";

const { PORT, WEFT_SERVICE = "", WEFT_VERSION = "" } = process.env;
const seen = [];

const server = createServer({ maxHeaderSize: 128 * 1024 }, async (request, response) => {
  if (request.url === "/who") {
    response.end(`${WEFT_SERVICE} ${WEFT_VERSION || "-"} ${process.pid}`);
    return;
  }
  const entry = { method: request.method, target: request.url, host: request.headers.host ?? "", complete: false };
  if (process.env.RECORD === "yes") seen.push(entry);
  let body = "";
  try {
    for await (const chunk of request.setEncoding("latin1")) body += chunk;
  } catch {
    return; // The caller broke off; the entry stays incomplete.
  }
  entry.complete = true;
  entry.body = body;
  const answer = {
    service: WEFT_SERVICE,
    method: entry.method,
    target: entry.target,
    host: entry.host,
    headers: request.headers,
    body,
  };
  response.setHeader("content-type", "application/json");
  if (request.headers["x-answer"] !== undefined) response.setHeader("x-answered", request.headers["x-answer"]);
  response.end(JSON.stringify(answer));
});
server.listen(Number(PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));

if (process.env.RECORD === "yes") {
  const log = createServer((_, response) => response.end(JSON.stringify(seen)));
  log.listen(0, "127.0.0.1", () => console.log(`record at ${log.address().port}`));
}

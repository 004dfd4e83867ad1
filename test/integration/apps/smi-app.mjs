// The app of the SMI tests. Each answer says who gave it, and the request as it came. As in the published conformance suite:
//   POST /call     {url, method, headers}: makes that request and remembers how it ended
//   GET /metrics   what it remembers: ReqReceived (names of callers), RespSucceeded, RespFailed; DELETE forgets it
// Elsewhere it answers whatever it is asked.
import { createServer } from "node:http";

const { PORT, WEFT_SERVICE = "" } = process.env;
let metrics = forget();

createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://app");
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  const caller = request.headers["servicename"];
  if (pathname === "/metrics" && request.headers["x-from-test"] !== undefined) {
    if (request.method === "DELETE") metrics = forget();
    response.end(JSON.stringify(metrics));
    return;
  }
  if (pathname === "/call" || pathname === "/echo") metrics.ReqReceived.push(caller ?? "");
  if (pathname === "/call") {
    response.statusCode = await call(JSON.parse(body));
    response.end();
    return;
  }
  const { method, url, headers } = request;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ app: WEFT_SERVICE, method, target: url, headers }));
}).listen(Number(PORT), "127.0.0.1", () => console.log(`${WEFT_SERVICE} listens on ${PORT}`));

process.once("SIGTERM", () => process.exit(0));

async function call({ url, method, headers }) {
  try {
    const answer = await fetch(url, { method, headers: { ...headers, servicename: WEFT_SERVICE } });
    await answer.arrayBuffer();
    const list = answer.status >= 200 && answer.status < 400 ? metrics.RespSucceeded : metrics.RespFailed;
    list.push({ URL: url, Method: method, Status: answer.status });
    return 200;
  } catch {
    return 500; // A transport error is remembered nowhere, as in the suite.
  }
}

function forget() {
  return { ReqReceived: [], RespSucceeded: [], RespFailed: [] };
}

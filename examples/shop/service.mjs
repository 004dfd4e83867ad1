// What the services of the shop share: a small JSON server and a small JSON client on node:http. Nothing here knows of
// the mesh: the services call each other by plain names, http://reviews/ and so on.
import { createServer, request } from "node:http";

/** Headers that keep one visitor's calls together in traces; a service passes on what it got. */
const TRACE_HEADERS = [
  "x-request-id",
  "b3",
  "x-b3-traceid",
  "x-b3-spanid",
  "x-b3-parentspanid",
  "x-b3-sampled",
  "x-b3-flags",
];

const CALL_TIMEOUT_MS = 3000;

/**
 * Serves `routes` ([pattern, answer] pairs) on PORT. An answer gets the parts of the path and the request, and returns
 * { status, type, body }, or anything else to be sent as JSON, or null for 404.
 */
export function serve(routes) {
  const server = createServer(async (incoming, response) => {
    const { pathname } = new URL(incoming.url, "http://here");
    let answer = null;
    try {
      for (const [pattern, respond] of routes) {
        const match = pattern.exec(pathname);
        if (match !== null) answer = await respond(match.slice(1), incoming);
        if (match !== null) break;
      }
    } catch (error) {
      answer = { status: 500, body: JSON.stringify({ error: error.message }) };
    }
    answer ??= { status: 404, body: JSON.stringify({ error: `nothing at ${pathname}` }) };
    if (answer.body === undefined) answer = { body: JSON.stringify(answer) };
    const { status = 200, type = "application/json", body } = answer;
    response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
    response.end(incoming.method === "HEAD" ? undefined : body);
  });
  server.listen(Number(process.env.PORT ?? 3000), () => console.log(`listening on ${server.address().port}`));
  // Asked to stop: take no new connections, let open requests finish.
  process.once("SIGTERM", () => server.close(() => process.exit(0)).closeIdleConnections());
}

/** GETs a URL; resolves with { status, text, json, ms } and rejects only when there is no answer at all. */
export function call(url, incoming) {
  const headers = {};
  for (const name of TRACE_HEADERS) if (incoming.headers[name] !== undefined) headers[name] = incoming.headers[name];
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers, timeout: CALL_TIMEOUT_MS }, async (response) => {
      try {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
        resolve({
          status: response.statusCode,
          text,
          json: isJson ? JSON.parse(text) : null,
          ms: performance.now() - started,
        });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer from ${url} in ${CALL_TIMEOUT_MS / 1000} s`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}

// The shop's pages. It calls catalog, stock and reviews by name, and shows how each of them answered.
import { bookPage, frontPage, messagePage } from "./pages.mjs";
import { call, serve } from "./service.mjs";

serve([
  [/^\/$/, (_, incoming) => showFront(incoming)],
  [/^\/books\/(\d+)$/, ([id], incoming) => showBook(id, incoming)],
  [/^\/peek$/, (_, incoming) => peek(incoming)],
  [/^\/health$/, () => ({ status: 200, type: "text/plain", body: "ok\n" })],
]);

async function showFront(incoming) {
  const [catalog, stock] = await Promise.all([ask("catalog", "/books", incoming), ask("stock", "/stock", incoming)]);
  return html(
    catalog.json === null ? 503 : 200,
    frontPage({ books: catalog.json, stock: stock.json, calls: [catalog, stock] }),
  );
}

async function showBook(id, incoming) {
  const [catalog, stock, reviews] = await Promise.all([
    ask("catalog", `/books/${id}`, incoming),
    ask("stock", `/stock/${id}`, incoming),
    ask("reviews", `/reviews/${id}`, incoming),
  ]);
  const calls = [catalog, stock, reviews];
  if (catalog.status === 404)
    return html(404, messagePage({ title: "No such book", text: `There is no book ${id}.`, calls }));
  return html(
    catalog.json === null ? 503 : 200,
    bookPage({ book: catalog.json, stock: stock.json, reviews: reviews.json, calls }),
  );
}

/** web is not allowed to call ratings: this page shows what the mesh answers when it tries all the same. */
async function peek(incoming) {
  const ratings = await ask("ratings", "/ratings/1", incoming);
  const title = ratings.status === 403 ? "Denied, as it should be" : "That should not have worked";
  return html(
    200,
    messagePage({
      title,
      text: "web asked ratings for /ratings/1 directly. This is the answer it got:",
      answer: ratings.text,
      calls: [ratings],
    }),
  );
}

/** One call with what there is to show of it; a service that is away never takes the page with it. */
async function ask(service, path, incoming) {
  try {
    const { status, text, json, ms } = await call(`http://${service}${path}`, incoming);
    const isGood = status === 200;
    return { service, version: json?.version ?? null, status, ms, text, json: isGood ? json : null };
  } catch (error) {
    return { service, version: null, status: null, ms: null, text: error.message, json: null };
  }
}

function html(status, body) {
  return { status, type: "text/html; charset=utf-8", body };
}

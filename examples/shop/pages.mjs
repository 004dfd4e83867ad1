// The shop's HTML and CSS. Everything that comes from another service is escaped.

export function frontPage({ books, stock, calls }) {
  const shelf =
    books === null
      ? `<p class="away">The catalogue is away for a moment. Please try again.</p>`
      : `<ul class="shelf">${books.map((book) => card(book, stock?.[book.id])).join("")}</ul>`;
  return layout(
    "Warp & Weft, booksellers",
    `<p class="lead">Books about thread, cloth and the patience in between.</p>${shelf}`,
    calls,
  );
}

export function bookPage({ book, stock, reviews, calls }) {
  if (book === null)
    return messagePage({ title: "One moment", text: "The catalogue is away. Please try again.", calls });
  const main = `<article class="book">
    ${cover(book, "large")}
    <div>
      <h2>${escape(book.title)}</h2>
      <p class="by">${escape(book.author)}, ${escape(book.year)}</p>
      <p>${escape(book.text)}</p>
      <p class="buy"><strong>${money(book.price)}</strong> ${inStock(stock?.count)}</p>
    </div>
  </article>
  <section><h3>What readers say ${badge(reviews?.version)}</h3>${reviewList(reviews)}</section>`;
  return layout(book.title, main, calls);
}

export function messagePage({ title, text, answer, calls }) {
  const quoted = answer === undefined ? "" : `<pre>${escape(answer)}</pre>`;
  return layout(
    title,
    `<h2>${escape(title)}</h2><p>${escape(text)}</p>${quoted}<p><a href="/">Back to the books</a></p>`,
    calls,
  );
}

function card(book, count) {
  return `<li><a href="/books/${escape(book.id)}">${cover(book, "small")}<span class="title">${escape(book.title)}</span></a>
    <span class="by">${escape(book.author)}</span>
    <span class="buy"><strong>${money(book.price)}</strong> ${inStock(count)}</span></li>`;
}

/** Each book has its own cloth, woven of two gradients. */
function cover(book, size) {
  const style = `--hue:${Number(book.hue)};--weave:${Number(book.weave)}px`;
  return `<span class="cover ${size}" style="${style}" aria-hidden="true"><span>${escape(book.title)}</span></span>`;
}

function reviewList(reviews) {
  if (reviews === null) return `<p class="away">Reviews are away for a moment; the rest of the shop is open.</p>`;
  const items = reviews.reviews.map(
    ({ by, text, stars }) =>
      `<li><blockquote>${escape(text)}</blockquote><cite>${escape(by)}</cite> ${starRow(stars)}</li>`,
  );
  const note = reviews.starsKnown === false ? `<p class="away">Stars are away for a moment.</p>` : "";
  return `<ul class="reviews">${items.join("")}</ul>${note}`;
}

function starRow(stars) {
  if (typeof stars !== "number") return "";
  const full = Math.max(0, Math.min(5, Math.round(stars)));
  return `<span class="stars" role="img" aria-label="${full} of 5 stars">${"★".repeat(full)}<i>${"★".repeat(5 - full)}</i></span>`;
}

function badge(version) {
  return typeof version === "string" ? `<span class="badge">reviews ${escape(version)}</span>` : "";
}

function inStock(count) {
  if (typeof count !== "number") return `<span class="stock unknown">ask us</span>`;
  if (count === 0) return `<span class="stock none">out of stock</span>`;
  return `<span class="stock">${count < 4 ? `only ${count} left` : "in stock"}</span>`;
}

/** How this page was made: one line for each call of web. */
function callList(calls) {
  const lines = calls.map(({ service, version, status, ms }) => {
    const name = version === null ? service : `${service} ${version}`;
    const result = status === null ? "no answer" : status;
    const time = ms === null ? "" : `<td>${ms.toFixed(1)} ms</td>`;
    return `<tr class="${status === 200 ? "good" : "bad"}"><td>web → ${escape(name)}</td><td>${escape(result)}</td>${time}</tr>`;
  });
  return `<table>${lines.join("")}</table>`;
}

function layout(title, main, calls) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<style>${CSS}</style>
</head>
<body>
<header><a href="/"><span class="mark" aria-hidden="true"></span><h1>Warp &amp; Weft</h1></a><p>booksellers</p></header>
<main>${main}</main>
<footer>
<details open><summary>How this page was made</summary>${callList(calls)}
<p>Every arrow went through two sidecars and was encrypted on the way. Reload to see the other version of reviews;
<a href="/peek">let web ask ratings directly</a> to see a call denied.</p></details>
</footer>
</body>
</html>
`;
}

function money(amount) {
  return `€ ${Number(amount).toFixed(2)}`;
}

function escape(value) {
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const CSS = `
:root { color-scheme: light dark; --paper: #fbf8f2; --ink: #2b2622; --soft: #7a6f63; --line: #e5ddcf; --card: #fff; --accent: #9a3b26; --good: #3c7a4e; }
@media (prefers-color-scheme: dark) { :root { --paper: #1c1916; --ink: #ece5da; --soft: #a3978a; --line: #3a342d; --card: #26221d; --accent: #e2876f; --good: #86c496; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 0 1.25rem; background: var(--paper); color: var(--ink); font: 1.05rem/1.6 Georgia, "Iowan Old Style", "Times New Roman", serif; }
a { color: inherit; text-decoration-color: var(--accent); text-underline-offset: .2em; }
a:hover { color: var(--accent); }
header { display: flex; align-items: baseline; gap: .75rem; padding: 2rem 0 1rem; border-bottom: 1px solid var(--line); }
header a { display: flex; align-items: center; gap: .7rem; text-decoration: none; }
header p { margin: 0; color: var(--soft); font-style: italic; }
h1 { margin: 0; font-size: 1.7rem; font-weight: 600; letter-spacing: .01em; }
h2 { margin: 0 0 .2rem; font-size: 1.8rem; line-height: 1.2; }
h3 { margin: 2.5rem 0 .5rem; font-size: 1.15rem; display: flex; align-items: center; gap: .6rem; }
.mark { width: 1.7rem; height: 1.7rem; border-radius: .3rem; background:
  repeating-linear-gradient(90deg, transparent 0 .21rem, rgb(0 0 0 / .3) .21rem .42rem),
  repeating-linear-gradient(0deg, var(--accent) 0 .21rem, #e8b48f .21rem .42rem); }
main { padding: 1.5rem 0 2rem; }
.lead { margin: 0 0 1.5rem; font-size: 1.2rem; color: var(--soft); font-style: italic; }
.shelf { list-style: none; margin: 0; padding: 0; display: grid; gap: 2rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); }
.shelf li { display: flex; flex-direction: column; }
.shelf a { text-decoration: none; }
.title { display: block; margin-top: .7rem; font-weight: 600; line-height: 1.3; }
.by { color: var(--soft); font-size: .95rem; margin: 0; }
.buy { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem .7rem; margin-top: .35rem; }
.stock { color: var(--good); font-size: .9rem; }
.stock.none, .stock.unknown { color: var(--soft); }
.cover { position: relative; display: flex; aspect-ratio: 3 / 4; border-radius: .2rem .45rem .45rem .2rem; overflow: hidden; box-shadow: 0 1px 2px rgb(0 0 0 / .25), 0 10px 22px -12px rgb(0 0 0 / .45); transition: transform .18s ease; background:
  linear-gradient(90deg, rgb(0 0 0 / .28), transparent 8%),
  repeating-linear-gradient(90deg, transparent 0 var(--weave), hsl(var(--hue) 60% 22% / .45) var(--weave) calc(var(--weave) * 2)),
  repeating-linear-gradient(0deg, hsl(var(--hue) 45% 52%) 0 var(--weave), hsl(calc(var(--hue) + 28) 50% 66%) var(--weave) calc(var(--weave) * 2)); }
.cover span { align-self: center; width: 100%; margin: 0 0 0 4%; padding: .7rem .8rem; background: rgb(252 249 243 / .94); color: #2b2622; font-size: .95rem; font-weight: 600; line-height: 1.25; text-align: center; }
a:hover .cover { transform: translateY(-4px); }
.book { display: grid; gap: 2rem; grid-template-columns: minmax(10rem, 15rem) 1fr; align-items: start; }
.book .buy { font-size: 1.2rem; }
@media (max-width: 34rem) { .book { grid-template-columns: 1fr; } .book .cover { max-width: 13rem; } }
.badge { padding: .1rem .55rem; border-radius: 1rem; background: var(--accent); color: var(--paper); font: 600 .75rem/1.6 ui-sans-serif, system-ui, sans-serif; letter-spacing: .02em; }
.reviews { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
.reviews li { padding: 1rem 1.2rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
blockquote { margin: 0 0 .5rem; }
cite { color: var(--soft); }
.stars { color: #c8891b; letter-spacing: .08em; margin-left: .4rem; }
.stars i { color: var(--line); }
.away { padding: .8rem 1.1rem; border-left: 3px solid var(--accent); background: var(--card); color: var(--soft); }
pre { padding: 1rem 1.2rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere; }
footer { padding: 1rem 0 3rem; border-top: 1px solid var(--line); color: var(--soft); font: .85rem/1.6 ui-sans-serif, system-ui, sans-serif; }
summary { cursor: pointer; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
td { padding: .1rem 1.2rem .1rem 0; }
tr.good td:nth-child(2) { color: var(--good); }
tr.bad td:nth-child(2) { color: var(--accent); font-weight: 600; }
`;

// Writes the generated tables of docs/errors.md from the failure tables of the code. With --check it writes nothing and
// fails when they differ. Run `npm run setup` first.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const FILE = path.join(ROOT, "docs", "errors.md");
const load = (name) => import(pathToFileURL(path.join(ROOT, "dist", "src", "proxy", name)).href);

const { FAILURES } = await load("failures.js");
const { DECODE_FAILURES } = await load(path.join("http1", "decode-failure.js"));
const { HEAD_FAILURES } = await load(path.join("http2", "hpack", "head-failure.js"));

const failures = FAILURES.slice(1).map(
  (row) =>
    `| \`${row.name}\` | ${row.httpStatus} | ${row.grpcStatus} | ${row.flag} | ${row.origin} | ${row.retry} | ${row.explanation} |`,
);
const details = [...DECODE_FAILURES, ...HEAD_FAILURES].map(
  (row) => `| \`${row.detail}\` | ${row.status} | ${row.message} |`,
);

let text = readFileSync(FILE, "utf8");
text = replace(text, "failures", [
  "| code | status | gRPC | flag | origin | tried again | meaning |",
  "|---|---|---|---|---|---|---|",
  ...failures,
]);
text = replace(text, "details", ["| detail | status | meaning |", "|---|---|---|", ...details]);

if (!process.argv.includes("--check")) {
  writeFileSync(FILE, text);
} else if (text !== readFileSync(FILE, "utf8")) {
  console.error("docs/errors.md does not match the failure tables: run node scripts/write-error-docs.mjs");
  process.exit(1);
}

function replace(whole, name, lines) {
  const start = `<!-- ${name}: generated -->`;
  const end = `<!-- ${name}: end -->`;
  const from = whole.indexOf(start);
  const to = whole.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/errors.md lacks the markers of "${name}"`);
  return `${whole.slice(0, from + start.length)}\n${lines.join("\n")}\n${whole.slice(to)}`;
}

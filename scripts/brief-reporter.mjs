// A reporter for node:test that says little while all goes well: failures in full, skips by name and reason, and one last
// line `#counts {...}` that scripts/test.mjs adds up. A file without a test counts as a failure: somebody thinks that it
// tests something.
import path from "node:path";

const HANGING =
  "  A test hangs, or all have ended and something open (listener, connection, timer, process) keeps the file alive.\n";

export default async function* report(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  /** What a file printed, shown only when something in it fails. */
  const printed = new Map();
  const failedFiles = new Set();
  /** Milliseconds by file. */
  const times = new Map();
  for await (const { type, data } of source) {
    if ((type === "test:pass" || type === "test:fail") && data.nesting === 0 && data.file !== undefined) {
      times.set(data.file, (times.get(data.file) ?? 0) + (data.details?.duration_ms ?? 0));
    }
    if (type === "test:stdout" || type === "test:stderr") {
      printed.set(data.file, (printed.get(data.file) ?? "") + data.message);
    } else if (type === "test:diagnostic") {
      // Node tells here of errors that came after their test had ended.
      if (/^(Error|Warning):/.test(data.message)) yield `${data.message}\n`;
    } else if (type === "test:pass" && isWholeFile(data)) {
      counts.failed += 1;
      yield `\nFAIL ${shorten(data.file)}\n  the file has no test\n`;
    } else if (type === "test:pass") {
      if (data.skip !== undefined || data.todo !== undefined) {
        counts.skipped += 1;
        yield `SKIP ${data.name}: ${explain(data.skip ?? data.todo)}\n`;
      } else if (data.details?.type !== "suite") counts.passed += 1;
    } else if (type === "test:fail" && data.details?.error?.failureType !== "subtestsFailed") {
      // A parent fails with its child, and was told of already.
      counts.failed += 1;
      if (isWholeFile(data)) failedFiles.add(data.file);
      const name = isWholeFile(data) ? "the whole file" : data.name;
      yield `\nFAIL ${name} (${shorten(data.file)})\n${indent(describe(data.details?.error))}\n`;
      if (isWholeFile(data) && /timed out/.test(describe(data.details?.error))) yield HANGING;
    }
  }
  for (const file of failedFiles) {
    if (printed.has(file)) yield `\n--- ${shorten(file)} printed:\n${printed.get(file)}`;
  }
  yield* describeSlowest(times);
  yield `#counts ${JSON.stringify(counts)}\n`;
}

/** Where the time goes, when it is long. */
function* describeSlowest(times) {
  const slow = [...times].filter(([, ms]) => ms >= 10_000).toSorted((one, other) => other[1] - one[1]);
  if (slow.length === 0) return;
  const list = slow.map(([file, ms]) => `${path.basename(file, ".test.js")} ${Math.round(ms / 1000)} s`);
  yield `slowest: ${list.join(", ")}\n`;
}

function isWholeFile(data) {
  return data.nesting === 0 && data.file !== undefined && path.resolve(data.name) === data.file;
}

function describe(error) {
  const cause = error?.cause ?? error;
  if (cause === undefined || cause === null) return "no reason given";
  if (typeof cause === "string") return cause;
  return cause.stack ?? cause.message ?? String(cause);
}

function explain(reason) {
  return typeof reason === "string" && reason !== "" ? reason : "no reason given";
}

function shorten(file) {
  return file === undefined ? "?" : path.relative(process.cwd(), file);
}

function indent(text) {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

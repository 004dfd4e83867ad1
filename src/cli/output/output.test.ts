import assert from "node:assert/strict";
import { test } from "node:test";
import { WeftError } from "../../lib/weft-error.ts";
import { printError } from "./error-printer.ts";
import { openLiveBlock } from "./live-block.ts";
import { formatAge } from "../../lib/format-age.ts";
import { formatLatency, formatRate, formatSuccess } from "./quantity.ts";
import { formatTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { escapeControl, measureText, truncateText } from "./text-width.ts";

interface Recorded extends Terminal {
  readonly written: string[];
}

function createTerminal(
  options: {
    readonly isTty?: boolean;
    readonly hasColor?: boolean;
    readonly columns?: number;
    readonly rows?: number;
  } = {},
): Recorded {
  const written: string[] = [];
  return {
    isTty: options.isTty ?? false,
    hasColor: options.hasColor ?? false,
    size: () => ({ columns: options.columns ?? 80, rows: options.rows ?? 24 }),
    write: (text) => void written.push(text),
    written,
  };
}

test("measureText() counts columns: wide characters two, marks and colours none", () => {
  for (const [text, width] of [
    ["web", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["日本", 4],
    ["🙂", 2],
    ["\u001b[31mred\u001b[39m", 3],
    ["", 0],
  ] as const) {
    assert.equal(measureText(text), width, JSON.stringify(text));
  }
});

test("truncateText() cuts to the width and keeps the end of a colour", () => {
  for (const [text, width, cut] of [
    ["reviews", 7, "reviews"],
    ["reviews", 6, "revie…"],
    ["日本語", 5, "日本…"],
    ["日本語", 4, "日…"],
    ["x", 0, ""],
    ["\u001b[31mreviews\u001b[39m", 4, "\u001b[31mrev…\u001b[39m"],
  ] as const) {
    assert.equal(truncateText(text, width), cut, `${JSON.stringify(text)} ${width}`);
    assert.ok(measureText(truncateText(text, width)) <= width);
  }
});

test("escapeControl() makes what others wrote harmless", () => {
  assert.equal(escapeControl("a\u001b[2Jb\nc\u202ed\u007f"), "a\\x1b[2Jb\\x0ac\\u{202e}d\\x7f");
  assert.equal(escapeControl("plain → ‼ ü"), "plain → ‼ ü");
});

test("formatTable() aligns, and gives way where it may on a narrow terminal", () => {
  const rows = [
    { name: "reviews", note: "a long note about it", count: 5 },
    { name: "web", note: "-", count: 12_345 },
  ];
  const columns = [
    { title: "name", value: (row: (typeof rows)[number]) => row.name },
    { title: "note", value: (row: (typeof rows)[number]) => row.note, shrinkTo: 6 },
    { title: "count", align: "right" as const, value: (row: (typeof rows)[number]) => String(row.count) },
  ];
  assert.deepEqual(formatTable(createTerminal(), columns, rows), [
    "NAME      NOTE                   COUNT",
    "reviews   a long note about it       5",
    "web       -                      12345",
  ]);
  assert.deepEqual(formatTable(createTerminal({ isTty: true, columns: 26 }), columns, rows), [
    "NAME      NOTE       COUNT",
    "reviews   a long …       5",
    "web       -          12345",
  ]);
  for (const line of formatTable(createTerminal({ isTty: true, columns: 15 }), columns, rows))
    assert.ok(measureText(line) <= 15, line);
});

test("openLiveBlock() redraws in place, prints above, and leaves the cursor shown", () => {
  const terminal = createTerminal({ isTty: true, columns: 10, rows: 4 });
  const block = openLiveBlock(terminal);
  block.update(["one", "a line that is too long"]);
  block.print("kept");
  block.update(["1", "2", "3", "4", "5"]);
  block.close();
  block.close();
  block.update(["late"]);
  assert.deepEqual(terminal.written, [
    "\u001b[?25l",
    "\rone\u001b[K\na line th…\u001b[K\n\u001b[J",
    "\u001b[2A\rkept\u001b[K\none\u001b[K\na line th…\u001b[K\n\u001b[J",
    "\u001b[2A\r1\u001b[K\n2\u001b[K\n3\u001b[K\n\u001b[J",
    "\u001b[?25h",
  ]);
});

test("openLiveBlock() in a pipe prints lines and draws nothing", () => {
  const terminal = createTerminal();
  const block = openLiveBlock(terminal);
  block.update(["table"]);
  block.print("line");
  block.close();
  assert.deepEqual(terminal.written, ["line\n"]);
});

test("quantities read well and never round a failure away", () => {
  assert.deepEqual(
    [0, 119_999, 120_000, 7_199_999, 7_200_000, 12_060_000, 90_000_000, 864_000_000, -5].map(formatAge),
    ["0s", "119s", "2m", "119m", "2h", "3h21m", "1d1h", "10d", "0s"],
  );
  assert.deepEqual([null, 0.04, 9.94, 9.96, 999.4, 999.6, 12_345].map(formatLatency), [
    "-",
    "0.0ms",
    "9.9ms",
    "10ms",
    "999ms",
    "1.00s",
    "12.35s",
  ]);
  assert.deepEqual([0, 0.04, 99.94, 99.96, 1234.5].map(formatRate), ["0", "0.0", "99.9", "100", "1235"]);
  assert.deepEqual([1, 0.999999, 0.5, 0].map(formatSuccess), ["100%", "99.99%", "50.00%", "0.00%"]);
});

test("printError() shows message, causes, hint and code, and the stack only when asked", () => {
  const terminal = createTerminal();
  const causes = [
    { field: "spec.a", message: "found 1; expected 2" },
    { field: "", message: "found \u001b[31m" },
  ];
  printError(
    terminal,
    new WeftError("WEFT_X_Y", "Cannot do it", { hint: "Do that", details: { causes }, cause: new Error("inner") }),
    { debug: false },
  );
  assert.equal(
    terminal.written.join(""),
    "error: Cannot do it\n  spec.a: found 1; expected 2\n  found \\x1b[31m\n hint: Do that\n code: WEFT_X_Y\n",
  );
  const debug = createTerminal();
  printError(debug, new TypeError("x is not a function"), { debug: true });
  assert.match(
    debug.written.join(""),
    /^error: x is not a function\n hint: This is a fault in weft itself.*\n code: WEFT_INTERNAL\n\nTypeError: x is not a function\n {4}at /,
  );
});

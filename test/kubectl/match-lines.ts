const ANY_LINES = "...";
/** What differs from run to run (ages, names with random ends, versions, tokens), and what newer kubectls say besides. */
const PLACEHOLDER = /<(any|age|number|from)>/;
const PATTERNS: Readonly<Record<string, string>> = {
  any: ".*",
  age: "(?:\\d+[smhdy])+",
  number: "\\d+",
  from: "(?: from \\S+ namespace)?",
};

/** Whether a program printed what was expected. Widths of columns, white space at the ends of lines and
 * empty lines at the end do not count. */
export function matchLines(expected: readonly string[], text: string): boolean {
  const lines = text.split("\n").map(normalise);
  while (lines.at(-1) === "") lines.pop();
  const last = expected.findLastIndex((line) => line !== "");
  return matchFrom(expected.slice(0, last + 1).map(toPattern), lines);
}

type LinePattern = RegExp | typeof ANY_LINES;

function matchFrom(patterns: readonly LinePattern[], lines: readonly string[]): boolean {
  const [pattern, ...others] = patterns;
  if (pattern === undefined) return lines.length === 0;
  if (pattern !== ANY_LINES) return pattern.test(lines[0] ?? "\n") && matchFrom(others, lines.slice(1));
  for (let skipped = 0; skipped <= lines.length; skipped++) {
    if (matchFrom(others, lines.slice(skipped))) return true;
  }
  return false;
}

function toPattern(line: string): LinePattern {
  if (line.trim() === ANY_LINES) return ANY_LINES;
  const parts = normalise(line).split(PLACEHOLDER);
  const source = parts.map((part, index) =>
    index % 2 === 1 ? PATTERNS[part] : part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"),
  );
  return new RegExp(`^${source.join("")}$`);
}

/** Indentation counts; the space between columns does not. */
function normalise(line: string): string {
  const indent = /^ */.exec(line)?.[0] ?? "";
  return indent + line.slice(indent.length).replace(/\t/g, "  ").replace(/ {2,}/g, "  ").trimEnd();
}

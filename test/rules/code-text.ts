/**
 * TypeScript with the inside of comments, strings and regular expressions blanked, and everything else at its place. What
 * stands in `${…}` of a template is kept: it is code. Enough to search for names without a parser.
 */
export function blankTexts(source: string): string {
  const out = source.split("");
  /** For each open template: how many braces are open inside its `${`. */
  const templates: number[] = [];
  let at = 0;
  const blank = (from: number, to: number): void => {
    for (let index = from; index < to; index += 1) if (out[index] !== "\n") out[index] = " ";
  };
  const blankTemplate = (from: number): number => {
    let end = from;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end))
      end += source[end] === "\\" ? 2 : 1;
    blank(from, end);
    if (source.startsWith("${", end)) {
      templates.push(0);
      return end + 2;
    }
    return end + 1;
  };
  while (at < source.length) {
    const char = source[at] ?? "";
    if (source.startsWith("//", at) || (at === 0 && source.startsWith("#!"))) {
      const end = indexOrEnd(source, "\n", at);
      blank(at, end);
      at = end;
    } else if (source.startsWith("/*", at)) {
      const end = indexOrEnd(source, "*/", at + 2) + 2;
      blank(at, end);
      at = end;
    } else if (char === '"' || char === "'") {
      const end = endOfQuoted(source, at + 1, char);
      blank(at + 1, end);
      at = end + 1;
    } else if (char === "`") {
      at = blankTemplate(at + 1);
    } else if (char === "/" && startsRegex(source, at)) {
      const end = endOfRegex(source, at + 1);
      blank(at + 1, end);
      at = end + 1;
    } else {
      const open = templates.length - 1;
      if (open >= 0 && char === "{") templates[open] = (templates[open] ?? 0) + 1;
      if (open >= 0 && char === "}") {
        if (templates[open] === 0) {
          templates.pop();
          at = blankTemplate(at + 1);
          continue;
        }
        templates[open] = (templates[open] ?? 0) - 1;
      }
      at += 1;
    }
  }
  return out.join("");
}

/** What a file imports, by any form of import, as written. */
export function listImports(source: string): readonly string[] {
  const code = blankTexts(source);
  const found: string[] = [];
  for (const match of code.matchAll(/\b(?:from|import|require)\s*\(?\s*(["'])( *)\1/g)) {
    const start = match.index + match[0].indexOf(match[1] ?? '"') + 1;
    found.push(source.slice(start, start + (match[2] ?? "").length));
  }
  return found;
}

/** Line number, from 1, of a place in a text. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function endOfQuoted(source: string, from: number, quote: string): number {
  let end = from;
  while (end < source.length && source[end] !== quote && source[end] !== "\n") end += source[end] === "\\" ? 2 : 1;
  return end;
}

function endOfRegex(source: string, from: number): number {
  let end = from;
  let inClass = false;
  while (end < source.length && source[end] !== "\n" && (inClass || source[end] !== "/")) {
    if (source[end] === "[") inClass = true;
    if (source[end] === "]") inClass = false;
    end += source[end] === "\\" ? 2 : 1;
  }
  return end;
}

/** A slash divides behind a value and opens a regular expression elsewhere. */
function startsRegex(source: string, at: number): boolean {
  const before = source.slice(Math.max(0, at - 60), at).trimEnd();
  if (/\b(return|typeof|case|in|of|void|await|yield)$/.test(before)) return true;
  return before === "" || /[=(,:[!&|?{};+\-*%<>~^]$/.test(before);
}

function indexOrEnd(source: string, what: string, from: number): number {
  const index = source.indexOf(what, from);
  return index < 0 ? source.length : index;
}

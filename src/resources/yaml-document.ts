import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  visit,
} from "yaml";
import type { Problem } from "./problem.ts";
import type { Locate, Position } from "./schema-problems.ts";

/** One document of a YAML (or JSON) text, with the place of everything in it. */
export interface YamlDocument {
  /** Plain data: objects, lists, strings, numbers, booleans, null. */
  readonly value: unknown;
  readonly locate: Locate;
}

export interface YamlDocuments {
  /** Those without syntax errors; empty documents are left out. */
  readonly documents: readonly YamlDocument[];
  /** Syntax errors of all documents. */
  readonly problems: readonly Problem[];
}

const MAX_TEXT_LENGTH = 4 * 1024 * 1024;
const MAX_DEPTH = 64;
/** How often one anchor may be used. Enough for repeated blocks; a "billion laughs" text is far above. */
const MAX_ALIASES = 100;
/** One missing bracket can make an error of every line after it. */
const MAX_SYNTAX_PROBLEMS = 10;

/**
 * Parses YAML 1.2 (of which JSON is a part), one or more documents. Safe for texts of strangers: size, depth and
 * aliases are limited, tags make no objects, a repeated key is an error, and `<<` is an ordinary key (so that it ends
 * as an unknown field and never merges silently). Never throws.
 */
export function parseYamlDocuments(text: string, file: string): YamlDocuments {
  const lineCounter = new LineCounter();
  const reader = new Reader(file, lineCounter);
  if (text.length > MAX_TEXT_LENGTH) {
    reader.report(0, `${text.length} characters`, `at most ${MAX_TEXT_LENGTH}`);
    return reader;
  }
  // The parser keeps its own stack; the composer recurses, and deep enough it takes the whole process down.
  const tokens = [...new Parser(lineCounter.addNewLine).parse(text)];
  const deep = findTooDeep(tokens);
  if (deep !== null) {
    reader.report(deep, "too many levels of nesting", `at most ${MAX_DEPTH}`);
    return reader;
  }
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    uniqueKeys: true,
    strict: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: "silent",
  });
  for (const document of composer.compose(tokens)) reader.read(document);
  return reader;
}

class Reader implements YamlDocuments {
  readonly documents: YamlDocument[] = [];
  readonly problems: Problem[] = [];
  readonly #file: string;
  readonly #lineCounter: LineCounter;

  constructor(file: string, lineCounter: LineCounter) {
    this.#file = file;
    this.#lineCounter = lineCounter;
  }

  report(offset: number, found: string, expected: string): void {
    this.problems.push({ severity: "error", file: this.#file, ...this.#positionAt(offset), path: "", found, expected });
  }

  read(document: Document.Parsed): void {
    const { explicit, version } = document.directives.yaml;
    if (explicit === true && version !== "1.2") {
      this.report(document.range[0], `%YAML ${version}`, "YAML 1.2");
      return;
    }
    const wrong = [...document.errors, ...document.warnings];
    for (const error of wrong.slice(0, MAX_SYNTAX_PROBLEMS)) {
      this.report(error.pos[0], describeSyntax(error.code, error.message), "valid YAML");
    }
    if (wrong.length > 0 || isEmptyNode(document.contents) || this.#reportLostAliases(document)) return;
    const { plain, problem } = toPlain(document);
    if (problem !== null) this.report(document.range[0], problem.found, problem.expected);
    else this.documents.push({ value: plain, locate: createLocate(document, (offset) => this.#positionAt(offset)) });
  }

  #reportLostAliases(document: Document.Parsed): boolean {
    const before = this.problems.length;
    visit(document, {
      Alias: (_key, alias) => {
        if (alias.resolve(document) !== undefined) return;
        this.report(
          alias.range?.[0] ?? document.range[0],
          `*${alias.source}`,
          "an anchor set earlier in the same document",
        );
      },
    });
    return this.problems.length > before;
  }

  #positionAt(offset: number): Position {
    const { line, col } = this.#lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** The offset of the first thing more than `MAX_DEPTH` levels deep; null when there is none. */
function findTooDeep(roots: readonly CST.Token[]): number | null {
  const open: { readonly token: CST.Token; readonly depth: number }[] = roots.map((token) => ({ token, depth: 0 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (depth > MAX_DEPTH) return "offset" in token ? token.offset : 0;
    if ("value" in token && token.value !== undefined) open.push({ token: token.value, depth });
    if (!("items" in token)) continue;
    for (const item of token.items) {
      if (item.key !== undefined && item.key !== null) open.push({ token: item.key, depth: depth + 1 });
      if (item.value !== undefined) open.push({ token: item.value, depth: depth + 1 });
    }
  }
  return null;
}

function describeSyntax(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "a key that stands twice in one object";
  if (code === "TAG_RESOLVE_FAILED") return "a tag that makes something else than plain data";
  if (code === "NON_STRING_KEY") return "a key that is no string";
  const first = message.split("\n", 1)[0] ?? message;
  return `a syntax error (${first.replace(/[.:]$/, "")})`;
}

interface PlainValue {
  readonly plain: unknown;
  readonly problem: { readonly found: string; readonly expected: string } | null;
}

function toPlain(document: Document.Parsed): PlainValue {
  try {
    const plain: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    if (!containsItself(plain, [])) return { plain, problem: null };
    return {
      plain: null,
      problem: { found: "an anchor used inside itself", expected: "anchors that end before they are used" },
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const found = message.startsWith("Excessive") ? "an anchor used too often" : message;
    return { plain: null, problem: { found, expected: `at most ${MAX_ALIASES} uses of an anchor` } };
  }
}

function containsItself(value: unknown, ancestors: readonly unknown[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (ancestors.includes(value)) return true;
  const inner = [...ancestors, value];
  return Object.values(value).some((child) => containsItself(child, inner));
}

function createLocate(document: Document.Parsed, positionAt: (offset: number) => Position): Locate {
  return (path, part) => {
    let node: Node | null = resolve(document, document.contents);
    let offset = node?.range?.[0] ?? document.range[0];
    for (const [depth, segment] of path.entries()) {
      const isLast = depth === path.length - 1;
      const child = findChild(document, node, segment);
      if (child === null) break;
      offset =
        (isLast && part === "key") || child.valueOffset === null
          ? child.keyOffset
          : isLast
            ? child.valueOffset
            : child.keyOffset;
      node = child.node;
    }
    return positionAt(offset);
  };
}

interface Child {
  readonly node: Node | null;
  readonly keyOffset: number;
  /** Null when nothing is written there. */
  readonly valueOffset: number | null;
}

function findChild(document: Document.Parsed, parent: Node | null, segment: PropertyKey): Child | null {
  if (isMap<Node, Node | null>(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(segment));
    if (pair === undefined) return null;
    const written = pair.value;
    return {
      node: resolve(document, written),
      keyOffset: pair.key.range?.[0] ?? 0,
      valueOffset: isEmptyNode(written) ? null : (written.range?.[0] ?? null),
    };
  }
  if (isSeq<Node>(parent) && typeof segment === "number") {
    const item = parent.items[segment];
    if (item === undefined) return null;
    const offset = item.range?.[0] ?? 0;
    return { node: resolve(document, item), keyOffset: offset, valueOffset: offset };
  }
  return null;
}

/** Nothing is written there, not even null. */
function isEmptyNode(node: Node | null): node is null {
  return node === null || (isScalar(node) && node.value === null && (node.source === undefined || node.source === ""));
}

function resolve(document: Document.Parsed, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node;
}

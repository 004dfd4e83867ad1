import { createRequire } from "node:module";
import type { RE2JS } from "re2js";
import { BAD_PATH, URI_TOO_LONG } from "../failures.ts";
import { BYTE_CLASS, BYTE_PATH } from "../http1/byte-class.ts";
import { canonicalisePath } from "../path.ts";
import type { PathChange } from "../policy/route-policy.ts";

/** As many as decoders accept: what is longer would be refused at the next hop. */
const MAX_PATH_BYTES = 8_192;

/** Why a changed path cannot be used. */
export interface PathRefusal {
  readonly code: number;
  readonly message: string;
}

/**
 * The canonical form of a canonical path after a change; null when it stays as it is. What a change puts together is not
 * trusted more than what a client sends: it is made canonical anew, and refused where servers would read it in different
 * ways. A path without a slash in front gets one.
 */
export function changePath(change: PathChange, path: string): Uint8Array | PathRefusal | null {
  const changed = apply(change, path);
  if (changed === path) return null;
  if (changed === null || changed.length >= MAX_PATH_BYTES) {
    return { code: URI_TOO_LONG, message: `it becomes longer than ${MAX_PATH_BYTES} bytes` };
  }
  const bytes = Buffer.from(changed.startsWith("/") ? changed : `/${changed}`, "utf8");
  for (const byte of bytes) {
    if (((BYTE_CLASS[byte] as number) & BYTE_PATH) === 0) {
      return { code: BAD_PATH, message: "it gets a byte that no path may have" };
    }
  }
  const canonical = canonicalisePath(bytes, 0, bytes.length);
  if (canonical === "same") return bytes;
  return canonical instanceof Uint8Array ? canonical : { code: BAD_PATH, message: canonical.message };
}

/** Null = too long. */
function apply(change: PathChange, path: string): string | null {
  switch (change.kind) {
    case "full":
      return change.path;
    case "prefix":
      return path.startsWith(change.prefix) ? change.replacement + path.slice(change.prefix.length) : path;
    case "regex":
      return replaceAll(substitution(change), path);
  }
}

interface Substitution {
  readonly pattern: RE2JS;
  /** Text, and numbers of groups. */
  readonly parts: readonly (string | number)[];
}

type RegexChange = Extract<PathChange, { readonly kind: "regex" }>;

const known: WeakMap<RegexChange, Substitution> = new WeakMap();

function substitution(change: RegexChange): Substitution {
  const made = known.get(change);
  if (made !== undefined) return made;
  // A compiled pattern says whether it fits; here the places and groups are needed too.
  const { RE2JS } = createRequire(import.meta.url)("re2js") as typeof import("re2js");
  const parts = change.replacement.split(/\\([0-9])|\\(\\)/).flatMap((text, index) => {
    if (text === undefined || text === "") return [];
    return [index % 3 === 1 ? Number(text) : text];
  });
  const fresh = { pattern: RE2JS.compile(change.pattern.source), parts };
  known.set(change, fresh);
  return fresh;
}

/** As RE2's GlobalReplace: an empty match just behind another does not count. Null = the result is too long. */
function replaceAll({ pattern, parts }: Substitution, text: string): string | null {
  const matcher = pattern.matcher(text);
  let result = "";
  let copied = 0;
  let previousEnd = -1;
  while (matcher.find()) {
    const start = matcher.start();
    const end = matcher.end();
    if (start === end && start === previousEnd) continue;
    result += text.slice(copied, start);
    for (const part of parts) {
      if (typeof part === "string") result += part;
      else if (part <= matcher.groupCount()) result += matcher.group(part) ?? "";
      if (result.length > MAX_PATH_BYTES) return null;
    }
    copied = end;
    previousEnd = end;
  }
  return result + text.slice(copied);
}

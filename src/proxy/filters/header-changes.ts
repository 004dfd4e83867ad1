// hot
import type { HeaderChanges } from "../policy/route-policy.ts";
import { FIELD_DROPPED, FIELD_OTHER, type FieldLines, type Head, NO_LINES } from "../head.ts";
import { isFieldName, isFieldValue, toFieldLines } from "../http1/field-line.ts";
import { equalsIgnoreCase, KNOWN_FIELDS } from "../http1/field-name.ts";

/**
 * They say how a message is framed, where it goes or what its connection is for: with other values it could be read in two
 * ways. Configuration that names one is refused; this list is what holds whatever was overlooked there.
 */
const FIXED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Removes, replaces and adds fields of a request before it goes upstream. Once for a request, not for each attempt. */
export function applyRequestHeaders(policy: HeaderChanges, head: Head): void {
  apply(compiled(policy), head);
}

/** The same for a response before it goes downstream. Interim responses and trailers stay as they are. */
export function applyResponseHeaders(policy: HeaderChanges, head: Head): void {
  apply(compiled(policy), head);
}

/** What of a policy is done to each head; made once for each policy. */
interface CompiledChanges {
  /** 1 for fields to drop that have an id. */
  readonly ids: Uint8Array;
  /** The others, lower-case. */
  readonly names: readonly Uint8Array[];
  /** All names, for lines that were added here. */
  readonly allNames: readonly Uint8Array[];
  /** Set, then added. */
  readonly lines: FieldLines;
}

/** Nothing but what follows from a policy, so that sharing it among proxies of one process changes nothing. */
const known: WeakMap<HeaderChanges, CompiledChanges> = new WeakMap();

function compiled(policy: HeaderChanges): CompiledChanges {
  const changes = known.get(policy);
  if (changes !== undefined) return changes;
  const made = compile(policy);
  known.set(policy, made);
  return made;
}

function apply(changes: CompiledChanges, head: Head): void {
  if (changes.allNames.length > 0) {
    dropFields(changes, head);
    dropAdded(changes, head);
  }
  if (changes.lines.count > 0) head.add(changes.lines);
}

function dropFields({ ids, names }: CompiledChanges, head: Head): void {
  for (let index = 0; index < head.count; index += 1) {
    const id = head.ids[index] as number; // below the count, as are the spans
    if (id === FIELD_DROPPED) continue;
    if (id !== FIELD_OTHER) {
      if (ids[id] === 1) head.drop(index);
    } else if (isOneOf(names, head.bytes, head.spans, index * 4)) head.drop(index);
  }
}

/** Lines that were added before in this proxy, such as trace ids, are fields like others. */
function dropAdded({ allNames }: CompiledChanges, head: Head): void {
  for (let index = 0; index < head.additionCount; index += 1) {
    const lines = head.additions[index] as FieldLines; // additionCount of them are set
    for (let line = 0; line < lines.count; line += 1) {
      if (!isOneOf(allNames, lines.bytes, lines.spans, line * 4)) continue;
      head.additions[index] = withoutNames(lines, allNames);
      break;
    }
  }
}

function withoutNames(lines: FieldLines, names: readonly Uint8Array[]): FieldLines {
  const kept: Uint8Array[] = [];
  for (let line = 0; line < lines.count; line += 1) {
    const base = line * 4;
    if (isOneOf(names, lines.bytes, lines.spans, base)) continue;
    kept.push(lines.bytes.subarray(lines.spans[base], (lines.spans[base + 3] as number) + 2)); // with its CRLF
  }
  return kept.length === 0 ? NO_LINES : toFieldLines(Buffer.concat(kept));
}

function isOneOf(names: readonly Uint8Array[], bytes: Uint8Array, spans: Int32Array, base: number): boolean {
  const start = spans[base] as number; // four for each field
  const end = spans[base + 1] as number;
  for (let index = 0; index < names.length; index += 1) {
    if (equalsIgnoreCase(bytes, start, end, names[index] as Uint8Array)) return true;
  }
  return false;
}

function compile({ remove, set, add }: HeaderChanges): CompiledChanges {
  const dropped = new Set([...remove, ...set.map(([name]) => name)].map((name) => name.toLowerCase()));
  const names = [...dropped].filter((name) => isFieldName(name) && !FIXED.has(name));
  const ids = new Uint8Array(256);
  const others: Uint8Array[] = [];
  for (const name of names) {
    const id = KNOWN_FIELDS.get(name);
    if (id === undefined) others.push(Buffer.from(name, "latin1"));
    else ids[id] = 1;
  }
  const block = [...set, ...add]
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name, value]) => isFieldName(name) && isFieldValue(value) && !FIXED.has(name))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  return {
    ids,
    names: others,
    allNames: names.map((name) => Buffer.from(name, "latin1")),
    lines: block === "" ? NO_LINES : toFieldLines(Buffer.from(block, "latin1")),
  };
}

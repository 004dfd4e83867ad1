import type { ServerResponse } from "node:http";

/** What a request's answer warns of, in `Warning` headers (RFC 7234 section 5.5), which kubectl prints. */
export interface Warnings {
  readonly add: (text: string) => void;
}

/** As many as a client takes in without losing the answer: Node's own HTTP client refuses heads above 16 KiB. */
const MAX_WARNINGS = 24;
const MAX_TOTAL_BYTES = 8 * 1024;
const MAX_WARNING_BYTES = 1024;
const CODE_AND_AGENT = "299 -";

/** Each text once; what is too much is left out, and the last warning says so. Nothing is added once the head is sent. */
export function createWarnings(response: ServerResponse): Warnings {
  const lines = new Map<string, string>();
  let totalBytes = 0;
  let isFull = false;
  return {
    add(text) {
      const line = `${CODE_AND_AGENT} ${quote(text)}`;
      if (isFull || lines.has(line) || response.headersSent) return;
      totalBytes += line.length;
      isFull = lines.size >= MAX_WARNINGS || totalBytes > MAX_TOTAL_BYTES;
      const shown = isFull ? `${CODE_AND_AGENT} "there are more warnings than fit in an answer"` : line;
      lines.set(shown, shown);
      response.setHeader("warning", [...lines.values()]);
    },
  };
}

/** A quoted string whose bytes are UTF-8: Node writes the characters of a header as single bytes. */
function quote(text: string): string {
  const short = shorten(text.replace(/\p{Cc}+/gu, " ").trim());
  return `"${Buffer.from(short.replace(/["\\]/g, "\\$&")).toString("latin1")}"`;
}

/** At whole characters, so that no half of one is sent. */
function shorten(text: string): string {
  if (Buffer.byteLength(text) <= MAX_WARNING_BYTES) return text;
  let bytes = 0;
  let short = "";
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_WARNING_BYTES) break;
    short += character;
  }
  return `${short}…`;
}

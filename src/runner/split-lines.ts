import { StringDecoder } from "node:string_decoder";
import type { Readable } from "node:stream";

/** A program that writes without line feeds must not fill our memory. */
const MAX_LINE_LENGTH = 64 * 1024;

/** Calls `onLine` for each line of a stream, without its line feed; what is left at the end counts as a line. */
export function splitLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream === null) return;
  const decoder = new StringDecoder("utf8");
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const parts = (rest + decoder.write(chunk)).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) onLine(part.endsWith("\r") ? part.slice(0, -1) : part);
    while (rest.length > MAX_LINE_LENGTH) {
      onLine(rest.slice(0, MAX_LINE_LENGTH));
      rest = rest.slice(MAX_LINE_LENGTH);
    }
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
    rest = "";
  });
  stream.on("error", () => undefined);
}

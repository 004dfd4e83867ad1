import { readStrictly } from "../fuzz/strict-oracle.ts";

/** What a server behind the mesh must read, once the path is canonical. */
export interface ExpectedRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** Null when it is malformed or incomplete. */
  readonly body: string | null;
}

/** The requests at the start of `text`, up to the first whose head the rules refuse or whose body is not whole. */
export function expectRequests(text: string): readonly ExpectedRequest[] {
  const requests: ExpectedRequest[] = [];
  for (let rest = text; rest !== "";) {
    const reading = readStrictly(rest);
    if (reading === null) break;
    const bodyStart = rest.indexOf("\r\n\r\n", rest.startsWith("\r\n") ? 2 : 0) + 4;
    const found = readBody(rest.slice(bodyStart), reading.framing);
    const { method, host } = reading;
    requests.push({ method, target: toCanonical(reading.target), host, body: found?.body ?? null });
    if (found === null) break;
    rest = found.rest;
  }
  return requests;
}

interface FoundBody {
  readonly body: string;
  readonly rest: string;
}

function readBody(text: string, framing: "none" | "chunked" | number): FoundBody | null {
  if (framing === "none") return { body: "", rest: text };
  if (framing !== "chunked")
    return text.length < framing ? null : { body: text.slice(0, framing), rest: text.slice(framing) };
  let body = "";
  for (let rest = text; ;) {
    const line = /^([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n/.exec(rest);
    if (line === null) return null;
    const size = Number.parseInt(line[1] ?? "", 16);
    rest = rest.slice(line[0].length);
    if (size === 0) {
      const trailers = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/.exec(rest);
      // Framing that comes late is an attack (RFC 9110 section 6.5.1).
      if (trailers === null || /^(?:content-length|transfer-encoding|host):/im.test(trailers[0])) return null;
      return { body, rest: rest.slice(trailers[0].length) };
    }
    if (rest.slice(size, size + 2) !== "\r\n") return null;
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}

/** RFC 3986 section 6.2.2 for the path, and no empty segments; the query stays. Written without the proxy's code. */
function toCanonical(target: string): string {
  if (!target.startsWith("/")) return target;
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  const decoded = path.replace(/%([0-9A-Fa-f]{2})/g, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase();
  });
  const segments = decoded.slice(1).split("/");
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const isFolder = ["", ".", ".."].includes(segments.at(-1) ?? "");
  return `/${kept.join("/")}${isFolder && kept.length > 0 ? "/" : ""}${mark < 0 ? "" : target.slice(mark)}`;
}

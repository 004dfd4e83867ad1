// A second reading of the rules, with strings and regular expressions and none of the decoder's code: slow, and easy to
// check against RFC 9112 by eye.

export interface OracleRequest {
  readonly method: string;
  /** Origin form. */
  readonly target: string;
  readonly host: string;
  readonly framing: "none" | "chunked" | number;
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const HOST = /^(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d*))?$/;
const PROTECTED =
  /^(?:host|content-.*|transfer-encoding|expect|b3|x-b3-.*|x-request-id|x-forwarded-.*|x-weft-.*|x-envoy-.*|traceparent|tracestate|baggage|grpc-.*|retry-after|date|server|authorization|cookie|set-cookie|forwarded|via|origin|referer|range|vary|cache-control|location|x-real-ip|if-.*|sec-.*|access-control-.*)$/i;

/** The request at the start of `text`, or null when it is malformed, ambiguous, above a limit or incomplete. */
export function readStrictly(text: string): OracleRequest | null {
  const message = text.startsWith("\r\n") ? text.slice(2) : text;
  const end = message.indexOf("\r\n\r\n");
  if (end < 0 || text.length - message.length + end + 4 > 65_536) return null;
  const [requestLine = "", ...lines] = message.slice(0, end).split("\r\n");
  const parts = new RegExp(`^(${TOKEN}) ([\\x21\\x22\\x24-\\x7e]+) HTTP/1\\.([01])$`).exec(requestLine);
  if (parts === null) return null;
  const [, method = "", raw = "", minor = ""] = parts;
  if (method.length > 32 || raw.length > 8_192 || lines.length > 100) return null;
  const fields: [string, string][] = [];
  for (const line of lines) {
    const field = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*)$`).exec(line);
    if (field === null) return null;
    fields.push([(field[1] ?? "").toLowerCase(), (field[2] ?? "").replace(/[ \t]+$/, "")]);
  }
  const all = (name: string): string[] => fields.filter(([other]) => other === name).map(([, value]) => value);
  const host = readHost(all("host"), minor);
  if (host === null) return null;
  if (minor === "1" && all("expect").some((value) => value.toLowerCase() !== "100-continue")) return null;
  if (!all("connection").every(isConnection)) return null;
  if (
    all("connection")
      .join(",")
      .split(",")
      .filter((option) => option.trim() !== "").length > 16
  )
    return null;
  const framing = readFraming(all("content-length"), all("transfer-encoding"), minor);
  if (framing === null) return null;
  const target = readTarget(method, raw, host);
  return target === null ? null : { method, ...target, framing };
}

function readHost(values: readonly string[], minor: string): string | null {
  if (values.length > 1 || (values.length === 0 && minor === "1")) return null;
  const value = values[0] ?? "";
  return value === "" ? "" : readAuthority(value);
}

function readAuthority(value: string): string | null {
  const parts = HOST.exec(value);
  if (parts === null || Number(parts[1] ?? "0") > 65_535) return null;
  if (value.startsWith("[") && !/^\[[^\]]*:[^\]]*:/.test(value)) return null;
  if (value.startsWith("[") && (value.match(/\[[^\]]*\]/)?.[0].split(":").length ?? 0) > 9) return null;
  return value.replace(/:$/, "");
}

function isConnection(value: string): boolean {
  return value.split(",").every((element) => {
    const option = element.replace(/^[ \t]+|[ \t]+$/g, "");
    return option === "" || (new RegExp(`^${TOKEN}$`).test(option) && !PROTECTED.test(option));
  });
}

function readFraming(
  lengths: readonly string[],
  codings: readonly string[],
  minor: string,
): OracleRequest["framing"] | null {
  if (codings.length > 0) {
    if (codings.length > 1 || lengths.length > 0 || minor === "0") return null;
    return (codings[0] ?? "").toLowerCase() === "chunked" ? "chunked" : null;
  }
  if (lengths.length > 1) return null;
  const length = lengths[0];
  if (length === undefined) return "none";
  if (!/^\d{1,16}$/.test(length) || Number(length) > Number.MAX_SAFE_INTEGER) return null;
  return Number(length);
}

function readTarget(method: string, raw: string, host: string): { target: string; host: string } | null {
  if (method === "CONNECT") {
    return readAuthority(raw) === raw && /:\d+$/.test(raw) ? { target: raw, host: raw } : null;
  }
  if (raw === "*") return method === "OPTIONS" ? { target: "*", host } : null;
  if (raw.startsWith("/")) return { target: raw, host };
  const absolute = /^http:\/\/([^/?]*)([^?]*)(\?.*)?$/i.exec(raw);
  if (absolute === null) return null;
  const authority = readAuthority(absolute[1] ?? "");
  if (authority === null) return null;
  const path = absolute[2] ?? "";
  const query = absolute[3] ?? "";
  if (path === "" && query === "" && method === "OPTIONS") return { target: "*", host: authority };
  return { target: `${path === "" ? "/" : path}${query}`, host: authority };
}

/** One kind of call that permissive access let pass and strict access would not have. */
export interface DeniedCall {
  /** Of the instance, where its proxy listens; 0 when unknown. */
  readonly port: number;
  /** "" for connections of opaque bytes, "?" for requests of which nothing more is known. */
  readonly method: string;
  /** Canonical, without query; segments that look like identifiers are `{id}`. "" when `method` says so little. */
  readonly path: string;
}

/** Numbers, UUIDs and long hexadecimal words: a kind of call, not one of its own. */
const IDENTIFIER = /^(?:\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[a-f]*\d)[0-9a-f]{16,})$/i;
export const IDENTIFIER_SEGMENT = "{id}";

/** `port method path`, or `port` alone for connections. A request that would make no readable key is one of OTHER_REQUESTS. */
export function formatDeniedCall({ port, method, path }: DeniedCall): string {
  if (method === "") return String(port);
  const key = `${port} ${method} ${generalisePath(path)}`;
  return parseDeniedCall(key) === null ? OTHER_REQUESTS : key;
}

/** Requests past the limit of kinds, at any port. */
export const OTHER_REQUESTS = "0 ?";

/** Null when it is not such a key. */
export function parseDeniedCall(key: string): DeniedCall | null {
  const parts = /^(\d{1,5})(?: (?:\?|([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([/*][\x21-\x7e]{0,255})))?$/.exec(key);
  if (parts === null) return null;
  const [, port, method, path] = parts;
  const isOther = key.endsWith(" ?");
  return { port: Number(port), method: isOther ? "?" : (method ?? ""), path: path ?? "" };
}

/** What was counted since `last`, by key. */
export function subtractByKey(
  now: ReadonlyMap<string, number>,
  last: ReadonlyMap<string, number> | null,
): ReadonlyMap<string, number> {
  const grown = new Map<string, number>();
  for (const [key, count] of now) {
    const more = count - (last?.get(key) ?? 0);
    if (more > 0) grown.set(key, more);
  }
  return grown;
}

function generalisePath(path: string): string {
  return path
    .split("/")
    .map((segment) => (IDENTIFIER.test(segment) ? IDENTIFIER_SEGMENT : segment))
    .join("/");
}

/** A host outside the mesh, as a request names it. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** It is this machine itself. */
  readonly isLoopback: boolean;
}

/** Authorities whose reading is remembered; past it they are forgotten and read again. */
const MAX_TARGETS = 1024;

/** Reads authorities of requests that leave the mesh, each once. */
export class DialTargets {
  readonly #known: Map<string, DialTarget> = new Map();

  /** Port 80 where none is written. Null when it is no host that could be dialled. */
  find(authority: string): DialTarget | null {
    const known = this.#known.get(authority);
    if (known !== undefined) return known;
    const target = parseDialTarget(authority);
    if (target === null) return null;
    if (this.#known.size >= MAX_TARGETS) this.#known.clear();
    this.#known.set(authority, target);
    return target;
  }
}

/** As `DialTargets.find`, for one that is asked once. */
export function parseDialTarget(authority: string): DialTarget | null {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s/@]+)(?::(\d{1,5}))?$/i.exec(authority);
  if (match === null) return null;
  const port = match[2] === undefined ? 80 : Number(match[2]);
  const host = (match[1] ?? "").replace(/^\[|\]$/g, "");
  return host === "" || port === 0 || port > 65_535 ? null : { host, port, isLoopback: isLoopback(host) };
}

function isLoopback(host: string): boolean {
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host.startsWith("127.") ||
    host === "::1" ||
    host === "0.0.0.0" ||
    host === "::"
  );
}

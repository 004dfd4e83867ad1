// The names of the mesh's services, as the sidecar keeps them in a file: `{"names": […]}`. CommonJS like all of the preload.

const fs = require("node:fs") as typeof import("node:fs");

/** A name that is not known is looked for in a changed file at most so often by `knows`. */
const RECHECK_SECONDS = 1;

class MeshNameList {
  readonly #file: string;
  #names: ReadonlySet<string> = new Set();
  #stamp = "";
  #readAtSeconds = Number.NEGATIVE_INFINITY;

  constructor(file: string) {
    this.#file = file;
  }

  /** Exact at the time of the call: one `stat`, and the file is read again only when the sidecar has replaced it. */
  has(host: string): boolean {
    this.#refresh();
    return this.#names.has(toName(host));
  }

  /** For each request: without a system call where the name is known, and up to a second late where it is not. */
  knows(host: string): boolean {
    const name = toName(host);
    if (this.#names.has(name)) return true;
    if (process.uptime() - this.#readAtSeconds < RECHECK_SECONDS) return false;
    this.#refresh();
    return this.#names.has(name);
  }

  #refresh(): void {
    this.#readAtSeconds = process.uptime();
    try {
      const stat = fs.statSync(this.#file, { throwIfNoEntry: false });
      if (stat === undefined) return;
      const stamp = `${stat.mtimeMs}/${stat.ino}/${stat.size}`;
      if (stamp === this.#stamp) return;
      const content: unknown = JSON.parse(fs.readFileSync(this.#file, "utf8"));
      const listed = (content as { readonly names?: unknown } | null)?.names;
      if (!Array.isArray(listed)) return;
      this.#names = new Set(listed.filter((name) => typeof name === "string"));
      this.#stamp = stamp;
    } catch {
      // Unreadable: the names known so far stay in force, as in a proxy whose control plane is away.
    }
  }
}

function toName(host: string): string {
  return (host.endsWith(".") ? host.slice(0, -1) : host).toLowerCase();
}

module.exports.MeshNameList = MeshNameList;

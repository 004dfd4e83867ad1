import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Machine code that a runtime made while it ran. */
interface JitPiece {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

const JITDUMP_MAGIC = 0x4a69_5444;
const RECORD_CODE_LOAD = 0;
const RECORD_HEAD_BYTES = 16;
const CODE_LOAD_NAME_AT = 56;

/** Names for addresses in code made by a JIT compiler: of perf's map files (Node) and jitdump files (Bun). */
export class JitCode {
  readonly #pieces: readonly JitPiece[];

  /** Where pieces overlap, the later one of the list counts: memory of dropped code is used again. */
  constructor(pieces: readonly JitPiece[]) {
    this.#pieces = pieces;
  }

  /** What process `pid` left in /tmp or in `folder`; empty when it left nothing. */
  static ofProcess(pid: number, folder: string): JitCode {
    const map = `/tmp/perf-${pid}.map`;
    const dumps = readdirSync(folder).filter((name) => name.endsWith(`-${pid}.dump`));
    return new JitCode([
      ...(existsSync(map) ? parsePerfMap(readFileSync(map, "utf8")) : []),
      ...dumps.flatMap((name) => parseJitDump(readFileSync(join(folder, name)))),
    ]);
  }

  find(address: number): string | null {
    // Backwards, as the last that was put there is there now. Profiles are short: no index is needed.
    for (let at = this.#pieces.length - 1; at >= 0; at -= 1) {
      const piece = this.#pieces[at];
      if (piece !== undefined && address >= piece.start && address < piece.end) return piece.name;
    }
    return null;
  }
}

function parsePerfMap(text: string): JitPiece[] {
  return text.split("\n").flatMap((line) => {
    const [start = "", bytes = "", ...name] = line.split(" ");
    const from = Number.parseInt(start, 16);
    return Number.isNaN(from) ? [] : [{ start: from, end: from + Number.parseInt(bytes, 16), name: name.join(" ") }];
  });
}

/** Format of perf's tools/perf/Documentation/jitdump-specification.txt; addresses fit in a double. */
function parseJitDump(dump: Buffer): JitPiece[] {
  const pieces: JitPiece[] = [];
  if (dump.length < 40 || dump.readUInt32LE(0) !== JITDUMP_MAGIC) return pieces;
  let at = dump.readUInt32LE(8);
  while (at + RECORD_HEAD_BYTES <= dump.length) {
    const bytes = dump.readUInt32LE(at + 4);
    if (bytes < RECORD_HEAD_BYTES || at + bytes > dump.length) break;
    if (dump.readUInt32LE(at) === RECORD_CODE_LOAD) {
      const start = Number(dump.readBigUInt64LE(at + 32));
      const nameEnd = dump.indexOf(0, at + CODE_LOAD_NAME_AT);
      const name = dump.toString("utf8", at + CODE_LOAD_NAME_AT, nameEnd);
      pieces.push({ start, end: start + Number(dump.readBigUInt64LE(at + 40)), name });
    }
    at += bytes;
  }
  return pieces;
}

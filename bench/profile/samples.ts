import { basename } from "node:path";
import type { JitCode } from "./jit-code.ts";

/** Where a thread was when perf looked. */
export interface Sample {
  readonly pid: number;
  /** Name of the thread. */
  readonly thread: string;
  readonly kind: "kernel" | "native" | "javascript" | "other";
  /** The innermost function with the object it lies in. */
  readonly symbol: string;
  /** The system call it was in; null outside the kernel. */
  readonly systemCall: string | null;
  /** Of native code: the innermost JavaScript function on the stack; null when there is none (garbage collection, I/O). */
  readonly caller: string | null;
}

const FRAME = /^\s+([0-9a-f]+) (.*) \((.*)\)$/;
const HEAD = /\s(\d+)\s*$/;

/** `text` is what `perf script -F comm,pid,ip,sym,dso` prints: a head line, its frames from the innermost out, a blank line. */
export function parseSamples(text: string, jitCodes: ReadonlyMap<number, JitCode>): Sample[] {
  const samples: Sample[] = [];
  for (const block of text.split("\n\n")) {
    const lines = block.split("\n").filter((line) => line !== "");
    const head = lines.find((line) => !line.startsWith("\t") && HEAD.test(line));
    const frames = lines.flatMap((line) => {
      const match = line.startsWith("\t") ? FRAME.exec(line) : null;
      return match === null ? [] : [{ ip: match[1] ?? "", symbol: match[2] ?? "", object: match[3] ?? "" }];
    });
    const [innermost] = frames;
    if (head === undefined || innermost === undefined) continue;
    const pid = Number(HEAD.exec(head)?.[1]);
    const entry = frames[frames.findIndex(({ symbol }) => symbol === "do_syscall_64" || symbol === "el0_svc") - 1];
    samples.push({
      pid,
      thread: head.trim().replace(HEAD, ""),
      ...describe(innermost, jitCodes.get(pid)),
      caller: findCaller(frames, jitCodes.get(pid)),
      systemCall: entry?.symbol.replace(/^(?:__\w*_?sys_|ksys_|do_)/, "") ?? null,
    });
  }
  return samples;
}

interface Frame {
  readonly ip: string;
  readonly symbol: string;
  readonly object: string;
}

function findCaller(frames: readonly Frame[], jitCode: JitCode | undefined): string | null {
  for (const frame of frames) {
    const { kind, symbol } = describe(frame, jitCode);
    if (kind === "javascript") return symbol;
  }
  return null;
}

function describe(frame: Frame, jitCode: JitCode | undefined): Pick<Sample, "kind" | "symbol"> {
  if (/kernel|vmlinux|\.ko\b/.test(frame.object)) return { kind: "kernel", symbol: `${frame.symbol} [kernel]` };
  const name = jitCode?.find(Number.parseInt(frame.ip, 16)) ?? null;
  if (name !== null) return { kind: "javascript", symbol: shorten(name) };
  if (frame.object.startsWith("[JIT]") || frame.object.startsWith("//anon") || frame.object.endsWith(".map"))
    return { kind: "javascript", symbol: "(code without a name)" };
  if (!frame.object.startsWith("/")) return { kind: "other", symbol: `${frame.symbol} ${frame.object}` };
  const symbol = frame.symbol === "[unknown]" ? "(no symbols)" : frame.symbol;
  return { kind: "native", symbol: `${symbol} [${basename(frame.object)}]` };
}

/** Without the folders of a script, without the hash that JavaScriptCore puts after a name. */
function shorten(name: string): string {
  return name.replace(/ (?:file:\/\/)?\/\S*\/(?=[^/\s]+$)/, " ").replace(/#\w{6}$/, "");
}

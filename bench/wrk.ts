import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BenchProcess } from "./bench-process.ts";
import type { LoadResult } from "./load-program.ts";

export interface LoadRequest {
  /** Whole requests, sent in turn. */
  readonly requests: readonly string[];
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly core: number | null;
  /** Where the script is written. */
  readonly folder: string;
}

/** Calls it once the closed loop has run; wrk reports in microseconds. */
const REPORT = `done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("#result %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
`;

/** One closed loop on one thread of wrk. Errors are broken or late connections, and answers with a status of 400 or above. */
export async function runLoad(request: LoadRequest): Promise<LoadResult> {
  const script = join(request.folder, "load.lua");
  writeFileSync(script, createScript(request.requests));
  const { connections, seconds, port } = request;
  const wrk = new BenchProcess({
    title: "wrk",
    file: "wrk",
    parameters: ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, `http://127.0.0.1:${port}/`],
    cwd: request.folder,
    environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    core: request.core,
  });
  const lines = await wrk.finish(seconds * 1000 + 30_000);
  const line = lines.find((text) => text.startsWith("#result "));
  if (line === undefined) throw new Error(`wrk gave no result; it printed: ${lines.join(" | ")}`);
  const [requests = 0, durationMicros = 0, errors = 0, medianMicros = 0, p99Micros = 0] = line
    .split(" ")
    .slice(1)
    .map(Number);
  const perSecond = requests / (durationMicros / 1e6);
  return { count: requests, perSecond, medianMicros, p99Micros, errors, firstError: null };
}

function createScript(requests: readonly string[]): string {
  const texts = requests.map((text) => `  ${JSON.stringify(text)},`).join("\n");
  return `local texts = {
${texts}
}
local index = 0
request = function()
  index = index % #texts + 1
  return texts[index]
end
${REPORT}`;
}

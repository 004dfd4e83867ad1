import { appendFile } from "node:fs";
import { AccessLog } from "../observe/access-log.ts";
import type { ProxyBootstrap } from "../proxy-node.ts";
import { getFailure } from "../proxy/failures.ts";
import { FIELD_B3_TRACE_ID, FIELD_REQUEST_ID } from "../proxy/head.ts";
import { systemClock } from "../time/system-clock.ts";

/** Null when none is wanted. `print` takes the lines when they go to standard output. */
export function createAccessLog(
  { accessLog: path }: Pick<ProxyBootstrap, "accessLog">,
  print: (lines: string) => void,
): AccessLog | null {
  if (path === null) return null;
  return new AccessLog({
    clock: systemClock,
    // Each call is one write at the end of the file, so that workers can share it.
    write: path === "-" ? print : (lines) => appendFile(path, lines, { mode: 0o600 }, reportLogFailure),
    describeFailure: getFailure,
    traceField: FIELD_B3_TRACE_ID,
    requestIdField: FIELD_REQUEST_ID,
  });
}

function reportLogFailure(error: Error | null): void {
  if (error !== null) process.stderr.write(`weft-proxy: cannot write the access log: ${error.message}\n`);
}

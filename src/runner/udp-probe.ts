import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { nextTurn } from "../time/next-turn.ts";
import type { ConnectOnce } from "./port-probe.ts";

/**
 * Whether a program has a UDP port of this machine, without sending it anything: by the kernel's table on Linux, elsewhere by
 * trying to take the port. Of another machine's port nothing can be known, so it counts as taken.
 */
export const probeUdp: ConnectOnce = (host, port, onResult) => {
  let isCancelled = false;
  const settle = (isBound: boolean): void => {
    if (!isCancelled) onResult(isBound);
  };
  const known = isLoopback(host) ? readTables(port) : true;
  if (known !== null) void nextTurn().then(() => settle(known));
  else tryToBind(host, port, settle);
  return () => {
    isCancelled = true;
  };
};

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Null where there is no such table. */
function readTables(port: number): boolean | null {
  // "  sl  local_address …" and then lines of "  12: 0100007F:D431 …"; the port is hexadecimal.
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  let isThere = false;
  for (const table of ["/proc/net/udp", "/proc/net/udp6"]) {
    try {
      const [, ...lines] = readFileSync(table, "latin1").split("\n");
      if (lines.some((line) => /^\s*\d+: [0-9A-F]+:[0-9A-F]{4} /.exec(line)?.[0].endsWith(suffix) === true))
        return true;
      isThere = true;
    } catch {
      // No Linux, or no IPv6.
    }
  }
  return isThere ? false : null;
}

function tryToBind(host: string, port: number, settle: (isBound: boolean) => void): void {
  const socket = createSocket(isIP(host) === 6 ? "udp6" : "udp4");
  socket.once("error", () => {
    socket.close();
    settle(true);
  });
  socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => settle(false)));
}

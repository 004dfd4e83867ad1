import { systemClock } from "../../src/time/system-clock.ts";
import { type LoadOrder, type LoadReport, packRow } from "./load-orders.ts";
import { ServerGate } from "./server-gate.ts";
import { SimulatedProxy } from "./simulated-proxy.ts";

// Many simulated proxies; started by LoadFleet with a channel to it, and ends with that.

const REPORT_MS = 5;
const CONNECTING_AT_ONCE = 32;

let rows: (readonly number[])[] = [];
let disconnects = 0;
let lastFailure: string | null = null;

process.on("disconnect", () => process.exit(0));
process.on("message", (order: LoadOrder) => void start(order));

/** All at about the same time, as after an outage; no more handshakes are begun at once than one process gets through. */
async function start(order: LoadOrder): Promise<void> {
  const gate = new ServerGate(order.xdsPort);
  const proxies = order.proxies.map(
    (proxy) =>
      new SimulatedProxy(proxy, order, {
        gate,
        onAck: (row) => rows.push(packRow(row)),
        onDisconnect: (reason) => {
          disconnects += 1;
          lastFailure = reason;
        },
      }),
  );
  systemClock.every(REPORT_MS, report, undefined);
  for (let at = 0; at < proxies.length; at += CONNECTING_AT_ONCE) {
    await Promise.all(proxies.slice(at, at + CONNECTING_AT_ONCE).map((proxy) => proxy.connect()));
  }
}

function report(): void {
  if (rows.length === 0) return;
  const { user, system } = process.cpuUsage();
  const message: LoadReport = { rows, disconnects, cpuMicros: user + system, lastFailure };
  rows = [];
  process.send?.(message);
}

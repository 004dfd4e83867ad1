/**
 * A worker of a proxy: started by `weft-proxy` when more than one core is to carry its traffic. It never outlives its main
 * process: when the channel to it closes, open exchanges may end, and the worker exits.
 */
import { JsonLog } from "../lib/log.ts";
import { Worker } from "../proxy/worker/worker.ts";
import type { FromWorker, ToWorker } from "../proxy/worker/worker-messages.ts";
import { systemRandom } from "../random/system-random.ts";
import { systemClock } from "../time/system-clock.ts";
import { formatWallTime } from "../time/wall-time.ts";
import { AdoptingTransport } from "../transport/adopting-transport.ts";
import { selectTransport } from "../transport/select.ts";
import type { AcceptedSocket } from "../transport/socket-acceptor.ts";
import { createAccessLog } from "./proxy-access-log.ts";
import { runtimeName } from "./runtime-name.ts";

const worker = new Worker({
  transport: new AdoptingTransport(await selectTransport(systemClock), systemClock),
  clock: systemClock,
  random: systemRandom,
  runtimeName,
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  residentBytes: () => process.memoryUsage.rss(),
  createLog: (bootstrap, index) =>
    new JsonLog({
      level: bootstrap.logLevel,
      timestamp: () => formatWallTime(systemClock.wallMs()),
      write: (line) => process.stderr.write(line),
      fields: { component: "proxy", workload: `${bootstrap.namespace}/${bootstrap.workload}`, worker: index },
    }),
  createAccessLog: (bootstrap) => createAccessLog(bootstrap, (text) => send({ kind: "lines", text })),
  send,
  onEnd: end,
});

process.on("message", (message, socket) => worker.take(message as ToWorker, socket as AcceptedSocket | undefined));
process.on("disconnect", () => worker.drain());
// Signals to the whole process group are for the main process, which tells its workers what to do.
process.on("SIGTERM", () => undefined);
process.on("SIGINT", () => undefined);

function send(message: FromWorker): void {
  // With a callback, a failure is not thrown: the main process is gone then, and "disconnect" says so.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** The last report must be out before the process ends. */
function end(): void {
  if (!process.connected) process.exit(0);
  process.send?.({ kind: "lines", text: "" } satisfies FromWorker, undefined, undefined, () => process.exit(0));
}

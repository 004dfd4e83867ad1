#!/usr/bin/env node
import { fstatSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { ControlPlaneBootstrap, ControlPlaneStatusLine } from "../control-bootstrap.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { parseBootstrap } from "../control/parse-bootstrap.ts";
import { JsonLog } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import { systemRandom } from "../random/system-random.ts";
import { systemClock } from "../time/system-clock.ts";
import { formatWallTime } from "../time/wall-time.ts";

/**
 * The control plane's process. Options come as one line of JSON on standard input, status lines go to a file
 * descriptor, the log (JSON lines) to standard error. It ends when standard input ends, on SIGTERM and on SIGINT; exit
 * code 0 after that, 1 when it could not start, 2 when its options cannot be read.
 */

const DEFAULT_STATUS_FD = 3;

// What Node will change one day is for weft's developers, who test on the newest one, and not for who runs it.
process.noDeprecation = true;

// Loading begins while the options are still on their way.
const loading = import("../control/control-plane.ts");
const log = new JsonLog({
  level: "info",
  timestamp: () => formatWallTime(systemClock.wallMs()),
  write: (line) => process.stderr.write(line),
  fields: { component: "control-plane" },
});
let statusFd: number | null = DEFAULT_STATUS_FD;
let plane: Promise<ControlPlane> | null = null;
let stopping = false;

process.on("SIGTERM", () => void stop("SIGTERM"));
process.on("SIGINT", () => void stop("SIGINT"));
process.on("uncaughtException", (error) => fail(error, 1));
process.on("unhandledRejection", (error) => fail(error, 1));

const input = createInterface({ input: process.stdin });
input.once("line", (line) => {
  let bootstrap: ControlPlaneBootstrap;
  try {
    bootstrap = parseBootstrap(line);
  } catch (error) {
    fail(error, 2);
    return;
  }
  plane = start(bootstrap);
  plane.then(announce, (error: unknown) => fail(error, 1));
});
input.once("close", () => {
  if (plane === null && !stopping && process.exitCode === undefined)
    fail(
      new WeftError(
        "WEFT_CONTROL_BOOTSTRAP",
        "Cannot start the control plane: standard input ended; expected one line of JSON",
      ),
      2,
    );
  else void stop("standard input ended");
});

async function start(bootstrap: ControlPlaneBootstrap): Promise<ControlPlane> {
  log.setLevel(bootstrap.logLevel);
  if (bootstrap.statusFd !== undefined) statusFd = bootstrap.statusFd;
  const { startControlPlane } = await loading;
  const { api, apiToken, defaults, mesh, stateDir, store, trustDomain, xds } = bootstrap;
  return startControlPlane({
    ...(store === undefined ? {} : { store }),
    advertise: bootstrap.advertise ?? null,
    apiNames: bootstrap.apiNames ?? [],
    apiCertificate: bootstrap.apiCertificate ?? null,
    auditFile: bootstrap.auditFile ?? null,
    stateDir,
    meshName: mesh,
    trustDomain,
    api,
    xds,
    apiToken,
    defaults,
    clock: systemClock,
    random: systemRandom,
    log,
  });
}

function announce({ apiPort, onRoots, trustBundlePem, xdsPort }: ControlPlane): void {
  log.info("the control plane is ready", { apiPort, xdsPort, pid: process.pid });
  writeStatus({ event: "ready", apiPort, xdsPort, trustBundlePem });
  onRoots((roots) => writeStatus({ event: "roots", trustBundlePem: roots }));
}

async function stop(why: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  log.info("the control plane is stopping", { why });
  try {
    await (await plane)?.close();
    process.exit(0);
  } catch (error) {
    // A start that failed has been reported by its own handler.
    log.error("the control plane did not stop cleanly", { error });
    process.exit(1);
  }
}

function fail(error: unknown, exitCode: number): never {
  const known = error instanceof WeftError ? error : null;
  const message = error instanceof Error ? error.message : String(error);
  log.error(known === null ? "the control plane failed" : message, { error, hint: known?.hint ?? null });
  if (known === null && error instanceof Error) process.stderr.write(`${error.stack ?? ""}\n`);
  writeStatus({ event: "failed", code: known?.code ?? "WEFT_CONTROL_INTERNAL", message, hint: known?.hint ?? null });
  process.exit(exitCode);
}

/** Where nobody passed a descriptor, its number may be one of the runtime's own, which is no pipe, socket or file of ours. */
function writeStatus(line: ControlPlaneStatusLine): void {
  if (statusFd === null) return;
  try {
    const stat = fstatSync(statusFd);
    if (stat.isFIFO() || stat.isSocket() || stat.isFile()) writeSync(statusFd, `${JSON.stringify(line)}\n`);
  } catch (error) {
    log.debug("nobody reads status lines", { error });
  }
}

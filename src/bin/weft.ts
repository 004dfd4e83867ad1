#!/usr/bin/env node
import type { CliHost } from "../cli/context.ts";
import type { Terminal } from "../cli/output/terminal.ts";
import { runCli } from "../cli/program.ts";
import { systemRandom } from "../random/system-random.ts";
import { readEnvironment } from "../runner/environment.ts";
import { systemClock } from "../time/system-clock.ts";

type InterruptListener = Parameters<CliHost["onInterrupt"]>[0];

// What Node will change one day is for weft's developers, who test on the newest one, and not for who runs it.
process.noDeprecation = true;

const environment = readEnvironment();
const interruptListeners: Set<InterruptListener> = new Set();

const host: CliHost = {
  stdout: createTerminal(process.stdout),
  stderr: createTerminal(process.stderr),
  readStdin,
  clock: systemClock,
  random: systemRandom,
  cwd: process.cwd(),
  environment,
  onInterrupt(listener) {
    interruptListeners.add(listener);
    process.on("SIGINT", listener);
    process.on("SIGTERM", listener);
    return () => {
      interruptListeners.delete(listener);
      process.off("SIGINT", listener);
      process.off("SIGTERM", listener);
    };
  },
};

// Our timers never keep a process alive, but a command that waits for one must not end; a message port does.
const holder = new MessageChannel().port1;
holder.ref();
process.exitCode = await runCli(process.argv.slice(2), host);
holder.close();

function createTerminal(stream: NodeJS.WriteStream): Terminal {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    // The reader went away (`weft get … | head`): nobody is left to tell. A command that has something to clean up does.
    if (interruptListeners.size === 0) process.exit(0);
    for (const listener of interruptListeners) listener("SIGTERM");
  });
  const isTty = stream.isTTY === true;
  return {
    isTty,
    hasColor: isTty && (environment["NO_COLOR"] ?? "") === "" && environment["TERM"] !== "dumb",
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
    write: (text) => void stream.write(text),
  };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

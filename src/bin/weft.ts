#!/usr/bin/env node
import type { CliHost } from "../cli/context.ts";
import type { Terminal } from "../cli/output/terminal.ts";
import { runCli } from "../cli/program.ts";
import { systemRandom } from "../random/system-random.ts";
import { readEnvironment } from "../runner/environment.ts";
import { systemClock } from "../time/system-clock.ts";

const environment = readEnvironment();

const host: CliHost = {
  stdout: createTerminal(process.stdout),
  stderr: createTerminal(process.stderr),
  readStdin,
  clock: systemClock,
  random: systemRandom,
  cwd: process.cwd(),
  environment,
  onInterrupt(listener) {
    process.on("SIGINT", listener);
    process.on("SIGTERM", listener);
    return () => {
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
  // The reader went away (`weft get … | head`): nobody is left to tell.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
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

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { RotateRequest, TrustView } from "../../control/views.ts";
import { WeftError } from "../../lib/weft-error.ts";
import { readPrivateFile } from "../../lib/private-files.ts";
import type { CliContext } from "../context.ts";
import { createUsageError } from "../usage-error.ts";
import { formatRotation, shorten } from "./status.ts";

export interface RotateOptions {
  readonly now?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly leaveOffline?: boolean;
  readonly wait?: boolean;
}

export interface ImportOptions {
  readonly key: string;
  readonly cert: string;
  readonly chain?: string;
  readonly leaveOffline?: boolean;
  readonly wait?: boolean;
}

const LOOK_EVERY_MS = 1_000;
/** The control plane may restart meanwhile, or be busy. */
const MAX_FAILURES = 60;

export async function rotate(context: CliContext, options: RotateOptions): Promise<void> {
  if (options.now === true && options.yes !== true && options.dryRun !== true) {
    throw createUsageError(
      "Cannot withdraw the root at once: found no --yes; expected it, as every workload has to join anew and calls fail until it has",
      "Without --now nothing fails: `weft identity rotate --wait`",
    );
  }
  const trust = await look(context);
  const running = trust.rotation !== null && trust.rotation.step !== "done";
  if (options.dryRun === true) {
    await explain(context, trust);
    return;
  }
  if (running && options.now !== true && options.wait === true) {
    context.stderr.write("a rotation runs already; following it\n");
    await follow(context);
    return;
  }
  if (trust.bundles.length > 0 && options.now !== true) {
    context.stderr.write(
      "note: other trust domains that believe this mesh need its new bundle before the old root goes: `weft identity bundle`\n",
    );
  }
  await begin(
    context,
    { now: options.now === true, leaveOffline: options.leaveOffline === true },
    options.wait === true,
  );
}

export async function importAuthority(context: CliContext, options: ImportOptions): Promise<void> {
  const key = readPrivateFile(resolve(context.cwd, options.key));
  if (key === null) {
    throw new WeftError("WEFT_CLI_FILE", `Cannot read the key "${options.key}": found no file; expected PEM (0600)`);
  }
  const certificates = await Promise.all(
    [options.cert, ...(options.chain === undefined ? [] : [options.chain])].map((file) => readText(context, file)),
  );
  const given = [key, ...certificates].map((text) => `${text.trim()}\n`).join("");
  await begin(context, { given, leaveOffline: options.leaveOffline === true }, options.wait === true);
}

async function begin(context: CliContext, request: RotateRequest, waits: boolean): Promise<void> {
  const client = await context.openApi();
  try {
    const { from, to } = await client.rotateRoot(request);
    context.stdout.write(`rotation begun: ${shorten(from)} to ${shorten(to)}\n`);
  } finally {
    client.close();
  }
  if (waits) await follow(context);
  else
    context.stderr.write(
      "It goes on by itself; see `weft identity status`, or follow it with `weft identity rotate --wait`\n",
    );
}

/** Prints each change of what is waited for. */
async function follow(context: CliContext): Promise<void> {
  // The clock's timers keep no process alive.
  const holder = new MessageChannel().port1;
  holder.ref();
  let last = "";
  let failures = 0;
  try {
    for (;;) {
      try {
        const { rotation, wallMs } = await look(context);
        failures = 0;
        const key = JSON.stringify([rotation?.step, rotation?.awaited.map(({ who }) => who)]);
        if (key !== last) context.stderr.write(`${formatRotation(rotation, wallMs).join("\n")}\n`);
        last = key;
        if (rotation === null || rotation.step === "done") return;
      } catch (error) {
        failures += 1;
        if (failures >= MAX_FAILURES) throw error;
      }
      await new Promise<void>((wake) => context.clock.after(LOOK_EVERY_MS, wake, undefined));
    }
  } finally {
    holder.close();
  }
}

async function explain(context: CliContext, trust: TrustView): Promise<void> {
  const client = await context.openApi();
  try {
    const proxies = await client.proxies();
    const away = proxies.filter(({ connected }) => !connected).map(({ id }) => id);
    const { stdout } = context;
    if (trust.rotation !== null && trust.rotation.step !== "done") {
      stdout.write(`${formatRotation(trust.rotation, trust.wallMs).join("\n")}\n`);
      return;
    }
    stdout.write(
      `would make a new root for ${trust.trustDomain} and give it to ${proxies.length - away.length} proxies\n`,
    );
    if (away.length > 0) {
      stdout.write(
        `not connected, waited for until their certificates end, unless --leave-offline: ${away.join(", ")}\n`,
      );
    }
  } finally {
    client.close();
  }
}

/** With a client of its own each time: the API's certificate follows the root. */
async function look(context: CliContext): Promise<TrustView> {
  const client = await context.openApi();
  try {
    return await client.trust();
  } finally {
    client.close();
  }
}

async function readText(context: CliContext, file: string): Promise<string> {
  try {
    return await readFile(resolve(context.cwd, file), "utf8");
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new WeftError("WEFT_CLI_FILE", `Cannot read "${file}": found ${found}; expected certificates, PEM`, {
      cause: error,
    });
  }
}

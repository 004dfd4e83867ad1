import { existsSync } from "node:fs";
import { join } from "node:path";
import { WeftError } from "../../lib/weft-error.ts";
import type { CliContext } from "../context.ts";

export interface RecoverOptions {
  readonly trustDomain?: string;
  readonly force?: boolean;
}

/** Only while the home's control plane does not run: throws WEFT_CONTROL_LOCKED. */
export async function recover(context: CliContext, options: RecoverOptions): Promise<void> {
  const [{ acquireStateLock }, { FileSecrets }, { recoverRoot }] = await Promise.all([
    import("../../control/state-lock.ts"),
    import("../../control/secrets/file-secrets.ts"),
    import("../../control/ca/recover-root.ts"),
  ]);
  const folder = join(context.findHome(), "control");
  if (!existsSync(folder)) {
    throw new WeftError(
      "WEFT_STATE_READ",
      `Cannot recover "${context.findHome()}": found no control plane's state; expected a home`,
      {
        hint: "Name the home with --home; of a mesh on etcd see docs/identity.md",
      },
    );
  }
  const lock = acquireStateLock(folder);
  try {
    const { clock, random } = context;
    const { fingerprint, trustDomain } = await recoverRoot({
      secrets: new FileSecrets({ folder, clock }),
      trustDomain: options.trustDomain ?? null,
      isForced: options.force === true,
      clock,
      random,
    });
    context.stdout.write(`a new root of ${trustDomain}: ${fingerprint}\n`);
    context.stdout.write(
      "Start the mesh: `weft up`. Every workload joins anew; users need new certificates: `weft user add`\n",
    );
  } finally {
    lock.release();
  }
}

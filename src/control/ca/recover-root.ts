import { X509Certificate } from "node:crypto";
import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import { parseWallTime } from "../../time/wall-time.ts";
import { ROOT_SECRET, type SharedSecrets } from "../shared-secrets.ts";
import { createRoot } from "./create-root.ts";
import { formatFingerprint, formatRootSecret, readRootSecret } from "./root-secret.ts";

export interface RecoverRootOptions {
  readonly secrets: SharedSecrets;
  /** Null: as the old root says. */
  readonly trustDomain: string | null;
  /** Also while the old root is valid. */
  readonly isForced: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Puts a new root in the place of one that has ended, while no control plane runs. Throws WEFT_CA_VALID when the old one is
 * still good, WEFT_CA_DAMAGED when nothing is known of it.
 */
export async function recoverRoot(
  options: RecoverRootOptions,
): Promise<{ readonly fingerprint: string; readonly trustDomain: string }> {
  const { clock, secrets } = options;
  const text = await secrets.get(ROOT_SECRET);
  const old = readOld(text);
  const trustDomain = options.trustDomain ?? /URI:spiffe:\/\/([^,]*)/.exec(old?.subjectAltName ?? "")?.[1];
  if (text === null || trustDomain === undefined) {
    throw new WeftError(
      "WEFT_CA_DAMAGED",
      `Cannot recover the root in ${secrets.describe(ROOT_SECRET)}: found ${text === null ? "none" : "no trust domain in it"}; expected the mesh's root`,
      { hint: "Say it: --trust-domain <domain>; where there was no root, starting the mesh makes one" },
    );
  }
  if (old !== null && clock.wallMs() < parseWallTime(old.validTo) && !options.isForced) {
    throw new WeftError(
      "WEFT_CA_VALID",
      `Cannot recover the root in ${secrets.describe(ROOT_SECRET)}: found it valid until ${old.validTo}; expected one that has ended`,
      { hint: "Start the mesh and run `weft identity rotate --wait`, which no call notices; or --force" },
    );
  }
  const made = readRootSecret(await createRoot({ ...options, trustDomain }));
  const fingerprint = formatFingerprint(new X509Certificate(made.certificates[0] ?? ""));
  const nowMs = clock.wallMs();
  const rotation = {
    step: "done",
    reason: "emergency",
    from: old === null ? "" : formatFingerprint(old),
    to: fingerprint,
    begunWallMs: nowMs,
    stepWallMs: nowMs,
    leavesOffline: true,
    offline: {},
    left: [],
  } as const;
  if (!(await secrets.replace(ROOT_SECRET, text, formatRootSecret({ ...made, rotation })))) {
    throw new WeftError(
      "WEFT_CA_ROTATING",
      "Cannot recover the root: found it changed at the same moment; expected nobody else at it",
      {
        hint: "Stop all control planes of the mesh first",
      },
    );
  }
  return { fingerprint, trustDomain };
}

/** Null: what is there is no certificate at all. */
function readOld(text: string | null): X509Certificate | null {
  try {
    return new X509Certificate(readRootSecret(text ?? "").certificates[0] ?? "");
  } catch {
    return null;
  }
}

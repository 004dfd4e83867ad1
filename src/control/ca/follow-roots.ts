import type { Log } from "../../lib/log.ts";
import type { Clock } from "../../time/clock.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";

const LOOK_EVERY_MS = 10_000;

/**
 * Looks at the roots every 10 s, since whoever changes them may be another control plane or an operator. What cannot be used is
 * told once in the log, and the roots of before stay. Returns what ends it.
 */
export function followRoots(authority: CertificateAuthority, clock: Clock, log: Log): () => void {
  let refused = "";
  let isLooking = false;
  authority.onChange(() =>
    log.info("the mesh's roots have changed", {
      signing: authority.root.fingerprint256,
      believed: authority.roots().map((root) => root.fingerprint256),
    }),
  );
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      await authority.refresh();
      refused = "";
    } catch (error) {
      const text = String(error);
      if (text !== refused) log.error("cannot follow the mesh's roots; those of before stay in force", { error });
      refused = text;
    } finally {
      isLooking = false;
    }
  };
  const timer = clock.every(LOOK_EVERY_MS, () => void look(), undefined);
  return () => timer.clear();
}

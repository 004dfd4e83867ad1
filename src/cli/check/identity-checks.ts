import { formatAge } from "../../lib/format-age.ts";
import { EXPIRY_HINTS } from "../identity/verify.ts";
import type { MeshFacts } from "./control-plane-checks.ts";
import { type CheckResult, toResult } from "./check-result.ts";

const SECTION = "identity";
/** Time enough to plan a new root. */
const ROOT_WARNING_MS = 30 * 24 * 3_600_000;
/** Renewal is due at half of a lifetime; with less than this left, several attempts have failed. */
const LATE_RATIO = 0.25;

export function checkIdentity(
  facts: MeshFacts,
  options: { readonly wallMs: number; readonly certificateLifetimeMs: number },
): readonly CheckResult[] {
  return [checkRoot(facts, options.wallMs), checkExpiries(facts, options.wallMs), ...checkCertificates(facts, options)];
}

function checkRoot({ mesh }: MeshFacts, wallMs: number): CheckResult {
  const name = `the root certificate of ${mesh.trustDomain} is valid`;
  const endsWallMs = mesh.trustRootNotAfterWallMs;
  const hint = "`weft identity rotate --wait`: without a root no certificate can be renewed";
  if (endsWallMs === undefined)
    return toResult(SECTION, name, {
      outcome: "warning",
      found: ["the control plane does not say when it ends"],
      hint: "Start the mesh again with this version of weft",
    });
  if (endsWallMs <= wallMs)
    return toResult(SECTION, name, { found: [`it ended ${formatAge(wallMs - endsWallMs)} ago`], hint });
  if (endsWallMs - wallMs < ROOT_WARNING_MS)
    return toResult(SECTION, name, {
      outcome: "warning",
      found: [`it ends in ${formatAge(endsWallMs - wallMs)}`],
      hint,
    });
  return toResult(SECTION, `${name} (for ${formatAge(endsWallMs - wallMs)})`, null);
}

/** What does not renew itself. The root that signs is told of above. */
function checkExpiries({ expiries, mesh }: MeshFacts, wallMs: number): CheckResult {
  const due = expiries.filter(
    ({ kind, notAfterWallMs }) =>
      kind !== "workload" &&
      !(kind === "root" && notAfterWallMs === mesh.trustRootNotAfterWallMs) &&
      notAfterWallMs - wallMs < ROOT_WARNING_MS,
  );
  const hasEnded = due.some(({ notAfterWallMs }) => notAfterWallMs <= wallMs);
  return toResult(SECTION, "nothing else that was given ends within 30 days", {
    outcome: hasEnded ? "error" : "warning",
    found: due.map(({ kind, name, notAfterWallMs }) => {
      const leftMs = notAfterWallMs - wallMs;
      return `${kind} ${name}: ${leftMs <= 0 ? `ended ${formatAge(-leftMs)} ago` : `ends in ${formatAge(leftMs)}`}`;
    }),
    hint: [...new Set(due.map(({ kind }) => EXPIRY_HINTS[kind]))].join("; "),
  });
}

function checkCertificates(
  facts: MeshFacts,
  options: { readonly wallMs: number; readonly certificateLifetimeMs: number },
): readonly CheckResult[] {
  const expired: string[] = [];
  const late: string[] = [];
  for (const proxy of facts.proxies) {
    const endsWallMs = proxy.certificateNotAfterWallMs ?? null;
    if (endsWallMs === null) continue;
    const leftMs = endsWallMs - options.wallMs;
    if (leftMs <= 0) expired.push(`${proxy.id}: ended ${formatAge(-leftMs)} ago`);
    else if (leftMs < options.certificateLifetimeMs * LATE_RATIO)
      late.push(`${proxy.id}: ends in ${formatAge(leftMs)}`);
  }
  return [
    toResult(SECTION, "no proxy's certificate has expired", {
      found: expired,
      hint: "An expired certificate cannot be renewed: restart the workload, which joins it anew",
    }),
    toResult(SECTION, "certificates are renewed in time", {
      outcome: "warning",
      found: late,
      hint: "Renewal is due at half of the lifetime: read the proxy's log for why it fails, and compare the clocks of the machines",
    }),
  ];
}

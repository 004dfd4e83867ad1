/** One line of `weft check`. */
export interface CheckResult {
  readonly section: CheckSection;
  /** The fact that was checked, as it is when all is well: `the control plane answers`. */
  readonly name: string;
  readonly outcome: "ok" | "warning" | "error";
  /** What was found; nothing when all is well. */
  readonly found: readonly string[];
  /** What to do; null when all is well. */
  readonly hint: string | null;
}

export type CheckSection = "this machine" | "control plane" | "identity" | "proxies" | "resources" | "traffic";

export interface Finding {
  readonly found: readonly string[];
  readonly hint: string;
  /** Default "error". */
  readonly outcome?: "warning" | "error";
}

/** A result from what is wrong: an empty `found` means that all is well. */
export function toResult(section: CheckSection, name: string, finding: Finding | null): CheckResult {
  if (finding === null || finding.found.length === 0) return { section, name, outcome: "ok", found: [], hint: null };
  return { section, name, outcome: finding.outcome ?? "error", found: finding.found, hint: finding.hint };
}

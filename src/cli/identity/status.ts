import type { AuthorityView, RotationView, TrustView } from "../../control/views.ts";
import { formatAge } from "../../lib/format-age.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import type { CliContext } from "../context.ts";
import { type OutputFormat, writeLines, writeValue } from "../output/format.ts";
import { paint } from "../output/style.ts";
import { type Column, formatTable } from "../output/table.ts";

const DAY_MS = 86_400_000;
const SOON_MS = 30 * DAY_MS;
/** More of whom is waited for are counted only. */
const MAX_NAMES = 20;

export async function showStatus(context: CliContext, output: OutputFormat): Promise<void> {
  const client = await context.openApi();
  try {
    const trust = await client.trust();
    if (output !== "table") await writeValue(context.stdout, output, trust);
    else writeLines(context.stdout, formatStatus(context, trust));
    for (const name of trust.silent) {
      context.stderr.write(`note: the control plane ${name} does not answer; what it knows is missing\n`);
    }
  } finally {
    client.close();
  }
}

function formatStatus(context: CliContext, trust: TrustView): readonly string[] {
  const { stdout } = context;
  const heading = (text: string): string => paint(stdout, "bold", text);
  const lines = [
    `trust domain   ${trust.trustDomain}`,
    `revocations    ${trust.revocations}`,
    "",
    heading("Authorities"),
    ...formatTable(stdout, authorityColumns(trust.wallMs), trust.authorities),
    "",
    heading("Rotation"),
    ...formatRotation(trust.rotation, trust.wallMs),
  ];
  if (trust.bundles.length > 0) {
    const ends = (notAfterWallMs: number | null): string =>
      notAfterWallMs === null ? "no root in it can be read" : formatEnd(notAfterWallMs, trust.wallMs);
    lines.push("", heading("Other trust domains"));
    for (const { notAfterWallMs, trustDomain } of trust.bundles) lines.push(`${trustDomain}   ${ends(notAfterWallMs)}`);
  }
  const soon = trust.expiries.filter(({ notAfterWallMs }) => notAfterWallMs - trust.wallMs < SOON_MS);
  if (soon.length > 0) {
    lines.push("", heading("Ends within 30 days"));
    for (const { kind, name, notAfterWallMs } of soon) {
      const style = notAfterWallMs - trust.wallMs < DAY_MS ? "red" : "yellow";
      lines.push(paint(stdout, style, `${kind} ${name}   ${formatEnd(notAfterWallMs, trust.wallMs)}`));
    }
  }
  return lines;
}

function authorityColumns(wallMs: number): readonly Column<AuthorityView>[] {
  return [
    { title: "fingerprint", value: ({ fingerprint }) => shorten(fingerprint) },
    { title: "kind", value: ({ kind }) => kind },
    { title: "signs", value: ({ isSigning }) => (isSigning ? "yes" : "no") },
    { title: "workloads", value: ({ workloads }) => String(workloads), align: "right" },
    { title: "ends", value: ({ notAfterWallMs }) => formatEnd(notAfterWallMs, wallMs) },
    { title: "subject", value: ({ subject }) => subject, shrinkTo: 16 },
  ];
}

/** Also printed while a rotation is followed. */
export function formatRotation(rotation: RotationView | null, wallMs: number): readonly string[] {
  if (rotation === null) return ["none yet"];
  const { awaited, from, left, reason, step, to } = rotation;
  const lines = [
    `${STEPS[step]} (${reason}; ${shorten(from)} to ${shorten(to)}; since ${formatAge(wallMs - rotation.stepWallMs)})`,
  ];
  for (const { who, why } of awaited.slice(0, MAX_NAMES)) lines.push(`  waits for ${who}: ${why}`);
  if (awaited.length > MAX_NAMES) lines.push(`  and for ${awaited.length - MAX_NAMES} more`);
  if (left.length > 0) lines.push(`  left behind, to join anew when they are back: ${left.join(", ")}`);
  return lines;
}

const STEPS: Readonly<Record<RotationView["step"], string>> = {
  adding: "adding: every proxy is given the new root",
  signing: "signing: the new root signs, every certificate is renewed",
  withdrawing: "withdrawing: the old root is believed no more",
  done: "done",
};

function formatEnd(notAfterWallMs: number, wallMs: number): string {
  const leftMs = notAfterWallMs - wallMs;
  const when = formatWallTime(notAfterWallMs).slice(0, 16).replace("T", " ");
  return leftMs <= 0 ? `${when} (ended ${formatAge(-leftMs)} ago)` : `${when} (in ${formatAge(leftMs)})`;
}

/** Enough to tell roots of one mesh apart; `-o json` has all of it. */
export function shorten(fingerprint: string): string {
  return fingerprint.slice(0, 16);
}

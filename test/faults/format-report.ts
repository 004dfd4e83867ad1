import type { FaultReport } from "./fault-bench.ts";

export function formatReport(report: FaultReport, faults: number): string {
  const refused = Object.entries(report.refused).map(([code, count]) => `${count} ${code}`);
  return [
    `${faults} faults`,
    `writes: ${report.acknowledged} acknowledged, ${report.unknown} of unknown outcome, refused: ${refused.join(", ") || "none"}`,
    `reads: ${report.reads}`,
    `watchers: ${report.watchers} saw ${report.events} events and were told to list again ${report.relists} times`,
    ...report.violations.map((violation) => `VIOLATION ${violation}`),
    `${report.violations.length} violations`,
  ].join("\n");
}

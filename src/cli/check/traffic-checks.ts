import type { StatRow } from "../../control/views.ts";
import { FAILURES } from "../../proxy/failures.ts";
import { type CheckResult, toResult } from "./check-result.ts";

const SECTION = "traffic";

/** Failures that the mesh itself answered, over the last minutes. The app's own errors are not the mesh's to judge. */
export function checkTraffic(rows: readonly StatRow[], windowName: string): readonly CheckResult[] {
  return [
    toResult(SECTION, `no call was denied in the last ${windowName}`, {
      outcome: "warning",
      found: rows
        .filter((row) => row.direction === "inbound")
        .flatMap((row) => describe(row, (code) => code === "access_denied")),
      hint: "If the call is meant, allow it: a TrafficTarget with this source and destination",
    }),
    toResult(SECTION, `the mesh failed no call in the last ${windowName}`, {
      outcome: "warning",
      found: rows.filter((row) => row.direction === "outbound").flatMap((row) => describe(row, isMeshFault)),
      hint: "`weft stat` shows rates; docs/errors.md explains each code",
    }),
  ];
}

function isMeshFault(code: string): boolean {
  const failure = FAILURES.find((candidate) => candidate.name === code);
  return code !== "access_denied" && (failure === undefined || failure.origin !== "downstream");
}

function describe(row: StatRow, isWanted: (code: string) => boolean): readonly string[] {
  return Object.entries(row.failureCodes)
    .filter(([code, count]) => count > 0 && isWanted(code))
    .map(([code, count]) => {
      const explanation = FAILURES.find((candidate) => candidate.name === code)?.explanation ?? "";
      return `${row.source || "unknown"} → ${row.destination}: ${count} × ${code}. ${explanation}`.trim();
    });
}

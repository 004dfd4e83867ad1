import type { StatRow } from "../control/views.ts";
import { formatLatency, formatRate, formatSuccess } from "./output/quantity.ts";
import type { Style } from "./output/style.ts";
import { type Column, formatTable } from "./output/table.ts";
import type { Terminal } from "./output/terminal.ts";

/** Below this share of answered requests a row is a warning, below the second an alarm. */
const WARN_BELOW = 0.999;
const ALARM_BELOW = 0.95;

/** One line per direction, source, destination and version. */
export function formatStatTable(terminal: Terminal, rows: readonly StatRow[]): readonly string[] {
  const namespaces = new Set(rows.flatMap((row) => [namespaceOf(row.source), namespaceOf(row.destination)]));
  namespaces.delete("");
  const hasOneNamespace = namespaces.size <= 1;
  const show = (qualified: string): string => showName(qualified, hasOneNamespace);
  const protocol: Column<StatRow> = { title: "protocol", value: (row) => row.protocol };
  const columns: readonly Column<StatRow>[] = [
    { title: "direction", value: (row) => row.direction },
    { title: "source", value: (row) => show(row.source), shrinkTo: 10 },
    { title: "destination", value: (row) => show(row.destination), shrinkTo: 12 },
    { title: "version", value: (row) => (row.version === "" ? "-" : row.version), shrinkTo: 8 },
    ...(rows.some((row) => row.protocol !== "http") ? [protocol] : []),
    {
      title: "success",
      align: "right",
      value: (row) => (row.requests === 0 ? "-" : formatSuccess(row.successRatio)),
      style: styleSuccess,
    },
    { title: "rps", align: "right", value: (row) => formatRate(row.rate) },
    { title: "p50", align: "right", value: (row) => formatLatency(row.p50Ms) },
    { title: "p90", align: "right", value: (row) => formatLatency(row.p90Ms) },
    { title: "p99", align: "right", value: (row) => formatLatency(row.p99Ms) },
    { title: "failures", value: formatFailures, style: styleSuccess, shrinkTo: 12 },
  ];
  return formatTable(terminal, columns, rows);
}

/** `connect_failed 3, timeout 1, 5xx 2`, the most frequent first; failures without a code are the app's own, `5xx`. */
function formatFailures(row: StatRow): string {
  const codes = Object.entries(row.failureCodes).filter(([, count]) => count > 0);
  const coded = codes.reduce((sum, [, count]) => sum + count, 0);
  const parts = codes.toSorted((a, b) => b[1] - a[1]).map(([code, count]) => `${code} ${count}`);
  if (row.failures > coded) parts.push(`5xx ${row.failures - coded}`);
  return parts.join(", ");
}

function styleSuccess(row: StatRow): Style | null {
  if (row.requests === 0 || row.successRatio >= WARN_BELOW) return null;
  return row.successRatio < ALARM_BELOW ? "red" : "yellow";
}

function showName(qualified: string, hasOneNamespace: boolean): string {
  if (qualified === "") return "?";
  return hasOneNamespace ? qualified.slice(qualified.indexOf("/") + 1) : qualified;
}

function namespaceOf(qualified: string): string {
  const slash = qualified.indexOf("/");
  return slash === -1 ? "" : qualified.slice(0, slash);
}

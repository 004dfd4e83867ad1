import { formatMetrics, type MetricFamily } from "../observe/prometheus-text.ts";
import type { ExpiryView } from "./views.ts";

/** Prometheus text: when certificates end that do not renew themselves, or that all others rest on. */
export function formatExpiryMetrics(expiries: readonly ExpiryView[]): string {
  const families: readonly MetricFamily[] = [
    {
      name: "weft_certificate_expiry_timestamp_seconds",
      type: "gauge",
      help: "When it ends, in seconds since 1970: roots, intermediates, given certificates, trust bundles.",
      samples: expiries.map(({ kind, name, notAfterWallMs }) => ({
        suffix: "",
        labels: { kind, name },
        value: notAfterWallMs / 1000,
      })),
    },
  ];
  return formatMetrics(families);
}

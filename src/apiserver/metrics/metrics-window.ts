import { TRAFFIC_KEPT_MS } from "../../control/views.ts";
import { parseDurationMs } from "../../lib/duration.ts";
import { StatusError } from "../status.ts";

const DEFAULT_WINDOW_MS = 30_000;
const MIN_WINDOW_MS = 1_000;

/** Of the query parameter `t`. Throws StatusError BadRequest: counts of another window than asked for would mislead. */
export function readMetricsWindow(query: URLSearchParams): number {
  const text = query.get("t");
  if (text === null || text === "") return DEFAULT_WINDOW_MS;
  const windowMs = parseDurationMs(text);
  if (windowMs !== null && windowMs >= MIN_WINDOW_MS && windowMs <= TRAFFIC_KEPT_MS) return windowMs;
  throw new StatusError(
    "BadRequest",
    `Cannot read the window t: found ${JSON.stringify(text)}; expected a duration of 1s to ${formatGoDuration(TRAFFIC_KEPT_MS)}, for so long traffic is kept`,
  );
}

/** As Go, and so Kubernetes, writes durations of a second or more: "30s", "1m30s", "1.5s". */
export function formatGoDuration(ms: number): string {
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const seconds = `${(ms % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

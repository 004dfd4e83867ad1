import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../lib/log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { formatExpiryMetrics } from "./expiry-metrics.ts";
import { ExpiryWarnings } from "./expiry-warnings.ts";
import type { ExpiryView } from "./views.ts";

const DAY_MS = 86_400_000;

test("ExpiryWarnings says once at 30, 7 and 1 days and at the end, and again for another certificate of the name", () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  let ends: readonly ExpiryView[] = [{ kind: "root", name: "ab", notAfterWallMs: clock.wallMs() + 40 * DAY_MS }];
  const warnings = new ExpiryWarnings({
    expiries: () => ends,
    clock,
    log: {
      ...silentLog,
      warn: (message) => lines.push(message),
      error: (message) => lines.push(message),
    },
  });
  // The test looks when it wants to.
  warnings.close();
  for (let day = 0; day <= 42; day += 1) {
    warnings.look();
    warnings.look();
    clock.advance(DAY_MS);
  }
  assert.deepEqual(lines, [
    "a certificate ends in 30d",
    "a certificate ends in 7d",
    "a certificate ends in 1d",
    "a certificate has ended",
  ]);
  ends = [{ kind: "root", name: "ab", notAfterWallMs: clock.wallMs() + 3 * DAY_MS }];
  warnings.look();
  assert.deepEqual(lines.slice(4), ["a certificate ends in 3d"]);
});

test("formatExpiryMetrics() has a gauge in seconds for each end", () => {
  const text = formatExpiryMetrics([{ kind: "ingress-certificate", name: "default/web", notAfterWallMs: 1_500 }]);
  assert.match(
    text,
    /\nweft_certificate_expiry_timestamp_seconds\{kind="ingress-certificate",name="default\/web"\} 1\.5\n/,
  );
});

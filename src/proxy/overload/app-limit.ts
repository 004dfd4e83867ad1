import type { Random } from "../../random/random.ts";
import type { OverloadPolicy } from "../policy/cluster-policy.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";

/** How many requests may be at an app at once. */
export interface AppLimit {
  /** Whole, 1 or more; may change with each answer. */
  readonly current: number;
  /** Of the app when requests do not wait in it; 0 = not known, or of no interest. */
  readonly unloadedMs: number;
  /**
   * An answer came at `nowMs`, `latencyMs` after the request was let in at `admittedMs`. It was one of `met` at the app.
   * Failures are not told, as they are often fast.
   */
  add(latencyMs: number, admittedMs: number, met: number, nowMs: number): void;
  /** A request came and has to wait. */
  onFull(nowMs: number): void;
}

export function createAppLimit(policy: OverloadPolicy["concurrency"], random: Random, nowMs: number): AppLimit {
  if (policy.kind === "adaptive") return new AdaptiveLimit(policy, random, nowMs);
  return { current: policy.limit, unloadedMs: 0, add: () => undefined, onFull: () => undefined };
}

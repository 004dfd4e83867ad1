import type { Random } from "../../random/random.ts";
import type { OverloadPolicy } from "../policy/cluster-policy.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import { GuardLimit } from "./guard-limit.ts";

export interface AnswerSample {
  /** Since it was let in. */
  readonly latencyMs: number;
  readonly admittedMs: number;
  /** Requests at the app, with this one. */
  readonly met: number;
  /** Its caller did not wait for the end: it would have taken longer. */
  readonly gaveUp: boolean;
}

/** How many requests may be at an app at once. */
export interface AppLimit {
  /** Whole, 1 or more, or NO_LIMIT; may change with each answer. */
  readonly current: number;
  /** Of the app when requests do not wait in it; 0 = not known, or of no interest. */
  readonly unloadedMs: number;
  /** A request is done at `nowMs`. Failures are not told, as they are often fast. The sample is valid during the call only. */
  add(sample: AnswerSample, nowMs: number): void;
  /** A request came and has to wait. */
  onFull(nowMs: number): void;
}

export function createAppLimit(policy: OverloadPolicy["concurrency"], random: Random, nowMs: number): AppLimit {
  if (policy.kind === "guard") return new GuardLimit(random);
  if (policy.kind === "adaptive") return new AdaptiveLimit(policy, random, nowMs);
  return { current: policy.limit, unloadedMs: 0, add: () => undefined, onFull: () => undefined };
}

import { toMs } from "./bounded-value.ts";
import { INSTANCE_SECTIONS, SECTIONS, type TrafficPolicySpec } from "./traffic-policy-spec.ts";

/** Where, and what is expected there. */
export type Contradiction = readonly [path: readonly PropertyKey[], expected: string];

/**
 * What no single field shows to be wrong. Only what is written can contradict: the default of a field that is left out gives
 * way to what is written beside it.
 */
export function* listContradictions(spec: TrafficPolicySpec): Generator<Contradiction> {
  const sections = SECTIONS.filter((section) => spec[section] !== undefined);
  if (sections.length === 0) yield [[], "at least one section, e.g. timeouts or retries"];
  if (spec.matches.length > 0) yield* listNarrow(spec);
  if (spec.redirect !== undefined && spec.rewrite !== undefined)
    yield [["rewrite"], "none beside redirect: a redirected request goes nowhere else"];
  yield* listOfTimes(spec);
  yield* listOfFaults(spec);
  yield* listOfMirrors(spec);
}

function* listNarrow(spec: TrafficPolicySpec): Generator<Contradiction> {
  for (const section of INSTANCE_SECTIONS) {
    if (spec[section] !== undefined)
      yield [[section], "none beside matches: it is about instances, which all requests share"];
  }
  for (const field of ["connect", "idle"] as const) {
    if (spec.timeouts?.[field] !== undefined)
      yield [["timeouts", field], "none beside matches: connections are shared by all requests"];
  }
}

function* listOfTimes({
  timeouts = {},
  retries,
  outlierDetection,
  healthChecks,
}: TrafficPolicySpec): Generator<Contradiction> {
  for (const field of ["perTry", "response"] as const) {
    if (isLonger(timeouts[field], timeouts.request))
      yield [["timeouts", field], `at most the time of the whole request, ${timeouts.request}`];
  }
  if (isLonger(timeouts.perTry, timeouts.response))
    yield [["timeouts", "perTry"], `at most the time of all attempts, response: ${timeouts.response}`];
  if (isLonger(retries?.backoff?.base, retries?.backoff?.max))
    yield [["retries", "backoff", "base"], `at most max, ${retries?.backoff?.max}`];
  if (isLonger(outlierDetection?.baseEjection, outlierDetection?.maxEjection))
    yield [["outlierDetection", "baseEjection"], `at most maxEjection, ${outlierDetection?.maxEjection}`];
  for (const [index, check] of (healthChecks ?? []).entries()) {
    if (isLonger(check.timeout, check.interval ?? "5s"))
      yield [["healthChecks", index, "timeout"], `at most the interval, ${check.interval ?? "5s"}`];
  }
}

/** 0 = no limit, and nothing is longer than that. */
function isLonger(one: string | undefined, other: string | undefined): boolean {
  const otherMs = toMs(other, 0);
  return otherMs > 0 && toMs(one, 0) > otherMs;
}

function* listOfFaults({ faults = [] }: TrafficPolicySpec): Generator<Contradiction> {
  for (const [index, { delay }] of faults.entries()) {
    if (typeof delay === "object" && toMs(delay.min, 0) > toMs(delay.max, 0))
      yield [["faults", index, "delay", "min"], `at most max, ${delay.max}`];
  }
}

/** An app that gets the same request twice acts twice. */
function* listOfMirrors({ mirrors = [], targetRef }: TrafficPolicySpec): Generator<Contradiction> {
  for (const [index, { service, port }] of mirrors.entries()) {
    if (service === targetRef.name && (port === undefined || port === targetRef.port))
      yield [
        ["mirrors", index, "service"],
        "another Service than the target: every request would be carried out twice",
      ];
  }
}

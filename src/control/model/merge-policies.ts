import type { TrafficPolicy } from "../../resources/traffic-policy.ts";
import {
  INSTANCE_SECTIONS,
  type PolicySection,
  REQUEST_SECTIONS,
  SECTIONS,
  type TrafficPolicySpec,
} from "../../resources/traffic-policy-spec.ts";
import type { HttpMatchModel, PortProtocol } from "./mesh-model.ts";

export type PolicySections = Pick<TrafficPolicySpec, PolicySection>;

/** Which policy each section is from. */
export type SectionSources = ReadonlyMap<PolicySection, TrafficPolicy>;

/** What several policies mean together for one port of their Service. */
export interface MergedPolicies {
  /** Of all requests, and of the instances. */
  readonly wide: SectionSources;
  /** Of the requests that fit `matches`, in the order tried: its own sections, and those of `wide` that it does not write. */
  readonly narrow: readonly NarrowPolicy[];
  /** What is written and not in force. */
  readonly losses: readonly SectionLoss[];
}

export interface NarrowPolicy {
  readonly policy: TrafficPolicy;
  readonly matches: readonly HttpMatchModel[];
  readonly sections: SectionSources;
}

export interface SectionLoss {
  readonly policy: TrafficPolicy;
  /** A section, or a field of one: `limits.requests`. "matches": the policy as a whole. */
  readonly what: string;
  /** Who comes before it; null: it means nothing on an opaque port. */
  readonly winner: { readonly policy: TrafficPolicy; readonly what: string } | null;
}

export interface MergeOptions {
  readonly protocol: PortProtocol;
  /** Of the policies that have some; a policy whose matches came to nothing is not in it. */
  readonly matches: ReadonlyMap<TrafficPolicy, readonly HttpMatchModel[]>;
}

/** One of them leaves nothing for the other to do. */
const RIVALS: ReadonlyMap<PolicySection, PolicySection> = new Map([
  ["redirect", "rewrite"],
  ["rewrite", "redirect"],
]);

/** `policies`: of one port, the one that goes first before the others. */
export function mergePolicies(policies: readonly TrafficPolicy[], options: MergeOptions): MergedPolicies {
  const losses: SectionLoss[] = [];
  const wide = mergeWide(
    policies.filter(({ spec }) => spec.matches.length === 0),
    options.protocol,
    losses,
  );
  const narrow: NarrowPolicy[] = [];
  for (const policy of policies) {
    const matches = options.matches.get(policy);
    if (matches === undefined) continue;
    const first = narrow.find((earlier) => matches.every((match) => isWithin(match, earlier.matches)));
    if (options.protocol === "tcp") losses.push({ policy, what: "matches", winner: null });
    else if (first !== undefined)
      losses.push({ policy, what: "matches", winner: { policy: first.policy, what: "matches" } });
    else narrow.push({ policy, matches, sections: overlay(wide, policy) });
  }
  return { wide, narrow, losses };
}

/** What is written in the places that `sources` name. */
export function pickSections(sources: SectionSources, protocol: PortProtocol): PolicySections {
  const picked: Record<string, unknown> = {};
  for (const [section, policy] of sources) picked[section] = readPolicy(policy.spec, protocol).sections[section];
  return picked as PolicySections;
}

/** Of each section the first policy that writes it. */
function mergeWide(
  policies: readonly TrafficPolicy[],
  protocol: PortProtocol,
  losses: SectionLoss[],
): Map<PolicySection, TrafficPolicy> {
  const sources = new Map<PolicySection, TrafficPolicy>();
  for (const policy of policies) {
    const { sections, lost } = readPolicy(policy.spec, protocol);
    for (const what of lost) losses.push({ policy, what, winner: null });
    for (const section of SECTIONS) {
      if (sections[section] === undefined) continue;
      const winner = findWinner(sources, section);
      if (winner === null) sources.set(section, policy);
      else losses.push({ policy, what: section, winner });
    }
  }
  return sources;
}

function findWinner(sources: SectionSources, section: PolicySection): SectionLoss["winner"] {
  for (const what of [section, RIVALS.get(section)]) {
    const policy = what === undefined ? undefined : sources.get(what);
    if (what !== undefined && policy !== undefined) return { policy, what };
  }
  return null;
}

function overlay(wide: SectionSources, narrow: TrafficPolicy): SectionSources {
  const sources = new Map(wide);
  for (const section of REQUEST_SECTIONS) {
    if (narrow.spec[section] === undefined) continue;
    sources.set(section, narrow);
    const rival = RIVALS.get(section);
    if (rival !== undefined) sources.delete(rival);
  }
  return sources;
}

/** Whether every request that fits `match` surely fits one of `others`. */
function isWithin(match: HttpMatchModel, others: readonly HttpMatchModel[]): boolean {
  return others.some((other) => {
    const samePath = other.pathRegex === ".*" || other.pathRegex === match.pathRegex;
    const { methods } = other;
    const sameMethods = methods === null || (match.methods?.every((method) => methods.includes(method)) ?? false);
    const sameHeaders = other.headers.every(([name, pattern]) =>
      match.headers.some((header) => header[0] === name && header[1] === pattern),
    );
    return samePath && sameMethods && sameHeaders;
  });
}

interface ReadPolicy {
  readonly sections: PolicySections;
  /** What means nothing on this port. */
  readonly lost: readonly string[];
}

/** On an opaque port only what is about connections. */
function readPolicy(spec: TrafficPolicySpec, protocol: PortProtocol): ReadPolicy {
  return protocol === "tcp" ? readOpaque(spec) : { sections: spec, lost: [] };
}

function readOpaque(spec: TrafficPolicySpec): ReadPolicy {
  const lost: string[] = [];
  const sections: Record<string, unknown> = {};
  for (const section of [...INSTANCE_SECTIONS, ...REQUEST_SECTIONS]) {
    const written = spec[section];
    if (written === undefined) continue;
    const fields = OPAQUE_FIELDS.get(section);
    if (fields === undefined) {
      lost.push(section);
    } else if (Array.isArray(written)) {
      const kept = written.filter((item: object) => Object.keys(item).some((field) => fields.has(field)));
      if (kept.length < written.length) lost.push(`${section} other than ${[...fields].join(", ")}`);
      if (kept.length > 0) sections[section] = kept;
    } else {
      const kept = keepFields(section, written, fields, lost);
      if (kept !== null) sections[section] = kept;
    }
  }
  return { sections: sections as PolicySections, lost };
}

/** Null when nothing is left of something. */
function keepFields(section: string, written: object, fields: ReadonlySet<string>, lost: string[]): object | null {
  const kept: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(written)) {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const inner = keepFields(`${section}.${field}`, value, fields, lost);
      if (inner !== null) kept[field] = inner;
    } else if (fields.has("*") || fields.has(field)) {
      kept[field] = value;
    } else {
      lost.push(`${section}.${field}`);
    }
  }
  return Object.keys(written).length > 0 && Object.keys(kept).length === 0 ? null : kept;
}

/** What of each section means something where nothing is looked into: connections, and whether one can be made. */
const OPAQUE_FIELDS: ReadonlyMap<PolicySection, ReadonlySet<string>> = new Map<PolicySection, ReadonlySet<string>>([
  ["loadBalancing", new Set(["strategy", "slowStart", "preferZone", "panicPercent", "ringSize", "tableSize"])],
  ["healthChecks", new Set(["tcp"])],
  ["outlierDetection", new Set(["*"])],
  ["limits", new Set(["connections"])],
  ["timeouts", new Set(["connect", "idle"])],
]);

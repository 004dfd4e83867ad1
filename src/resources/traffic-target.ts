import { z } from "zod";
import { dnsLabel, dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

const MAX_RULES = 256;
const MAX_SOURCES = 1024;
const MAX_RULE_MATCHES = 256;

/** Allows its sources to call its destination with the requests its rules describe. Nothing ever denies. */
export interface TrafficTarget extends Resource {
  readonly apiVersion: "access.smi-spec.io/v1alpha3";
  readonly kind: "TrafficTarget";
  readonly spec: TrafficTargetSpec;
}

export interface TrafficTargetSpec {
  /** Always of the TrafficTarget's own namespace. */
  readonly destination: IdentitySubject;
  /** At least one. HTTP rules are alternatives; TCP rules are alternatives; when both stand here, both must agree. UDP rules are alternatives, of UDP alone. */
  readonly rules: readonly TrafficRule[];
  /** Any of them; [] = nobody. */
  readonly sources: readonly IdentitySubject[];
}

export interface IdentitySubject {
  readonly kind: "ServiceAccount";
  readonly name: string;
  /** Default: the namespace of the TrafficTarget. */
  readonly namespace: string;
}

/** An HTTPRouteGroup, TCPRoute or UDPRoute of the TrafficTarget's namespace. */
export interface TrafficRule {
  readonly kind: "HTTPRouteGroup" | "TCPRoute" | "UDPRoute";
  readonly name: string;
  /** Names of matches of the group; [] = all of them (default). Always [] for a TCPRoute or UDPRoute. */
  readonly matches: readonly string[];
}

type WrittenSubject = Omit<IdentitySubject, "namespace"> & { readonly namespace?: string };
type WrittenSpec = {
  readonly destination: WrittenSubject;
  readonly rules: readonly TrafficRule[];
  readonly sources: readonly WrittenSubject[];
};
type WrittenTarget = Pick<TrafficTarget, "apiVersion" | "kind" | "metadata"> & {
  readonly spec: WrittenSpec;
  readonly status?: unknown;
};

const subject: z.ZodType<WrittenSubject> = strictObject<WrittenSubject>({
  kind: z.literal("ServiceAccount"),
  name: dnsSubdomain,
  namespace: dnsLabel.exactOptional(),
});

const rule: z.ZodType<TrafficRule> = strictObject<TrafficRule>({
  kind: z.enum(["HTTPRouteGroup", "TCPRoute", "UDPRoute"], "HTTPRouteGroup, TCPRoute or UDPRoute"),
  name: dnsSubdomain,
  matches: z.preprocess(
    (value) => value ?? [],
    z
      .array(z.string("the name of a match").min(1, "the name of a match"), "a list of names of matches")
      .max(MAX_RULE_MATCHES, `at most ${MAX_RULE_MATCHES} names`),
  ),
}).superRefine((value, context) => {
  if (value.kind === "HTTPRouteGroup" || value.matches.length === 0) return;
  context.addIssue({
    code: "custom",
    path: ["matches"],
    message: `no matches: a ${value.kind} has none to choose from`,
  });
});

const spec: z.ZodType<WrittenSpec> = strictObject<WrittenSpec>({
  destination: subject,
  rules: z.array(rule, "a list of rules").min(1, "at least one rule").max(MAX_RULES, `at most ${MAX_RULES} rules`),
  sources: z.array(subject, "a list of sources").max(MAX_SOURCES, `at most ${MAX_SOURCES} sources`),
});

export const trafficTargetSchema: z.ZodType<TrafficTarget> = strictObject<WrittenTarget>({
  apiVersion: z.literal("access.smi-spec.io/v1alpha3"),
  kind: z.literal("TrafficTarget"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec,
  status: z.unknown().exactOptional(),
})
  .superRefine((target, context) => {
    const own = target.metadata.namespace;
    if ((target.spec.destination.namespace ?? own) === own) return;
    context.addIssue({
      code: "custom",
      path: ["spec", "destination", "namespace"],
      message: `${own}: a TrafficTarget opens only its own namespace`,
    });
  })
  .transform((target) => {
    const own = target.metadata.namespace;
    const qualify = (written: WrittenSubject): IdentitySubject => ({ ...written, namespace: written.namespace ?? own });
    const { destination, rules, sources } = target.spec;
    return { ...target, spec: { destination: qualify(destination), rules, sources: sources.map(qualify) } };
  });

import { z } from "zod";
import { checkDestinationPort } from "./destination-port.ts";
import { dnsLabel, dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { ObjectMeta, Resource } from "./resource.ts";
import { type ShapeOf, strictObject } from "./strict-object.ts";

const MAX_RULES = 256;
const MAX_SOURCES = 1024;
const MAX_RULE_MATCHES = 256;

/** Allows its sources to call its destination with the requests its rules describe. Nothing ever denies. */
export interface TrafficTarget extends Resource {
  readonly apiVersion: "access.smi-spec.io/v1alpha4";
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
  readonly kind: "ServiceAccount" | "IdentityBinding";
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

/** As it may be written. */
export type WrittenSubject = Omit<IdentitySubject, "namespace"> & { readonly namespace?: string };

type WrittenTarget = Pick<TrafficTarget, "apiVersion" | "kind" | "metadata"> & {
  readonly spec: WrittenTargetSpec;
  readonly status?: unknown;
};

export interface WrittenTargetSpec {
  readonly destination: WrittenSubject;
  readonly rules: readonly TrafficRule[];
  readonly sources: readonly WrittenSubject[];
}

const nameFields: Pick<ShapeOf<WrittenSubject>, "name" | "namespace"> = {
  name: dnsSubdomain,
  namespace: dnsLabel.exactOptional(),
};

/** Before v1alpha4. */
export const accountFields: ShapeOf<WrittenSubject> = { kind: z.literal("ServiceAccount"), ...nameFields };

const account: z.ZodType<WrittenSubject> = strictObject<WrittenSubject>(accountFields);

const subject: z.ZodType<WrittenSubject> = strictObject<WrittenSubject>({
  kind: z.enum(["ServiceAccount", "IdentityBinding"], "ServiceAccount or IdentityBinding"),
  ...nameFields,
});

function createSourcesSchema(one: z.ZodType<WrittenSubject>): z.ZodType<readonly WrittenSubject[]> {
  return z.array(one, "a list of sources").max(MAX_SOURCES, `at most ${MAX_SOURCES} sources`);
}

/** Before v1alpha4. */
export const accountsSchema: z.ZodType<readonly WrittenSubject[]> = createSourcesSchema(account);

/** Rules of these kinds: at least one. */
export function createRulesSchema(kinds: readonly TrafficRule["kind"][]): z.ZodType<readonly TrafficRule[]> {
  const [last = ""] = kinds.slice(-1);
  const rule = strictObject<TrafficRule>({
    kind: z.enum(kinds, `${kinds.slice(0, -1).join(", ")} or ${last}`),
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
  return z.array(rule, "a list of rules").min(1, "at least one rule").max(MAX_RULES, `at most ${MAX_RULES} rules`);
}

const rulesSchema = createRulesSchema(["HTTPRouteGroup", "TCPRoute", "UDPRoute"]);

const targetSpecSchema: z.ZodType<WrittenTargetSpec> = strictObject<WrittenTargetSpec>({
  destination: subject,
  rules: rulesSchema,
  sources: createSourcesSchema(subject),
});

/** Of v1alpha3. */
export const accountTargetSpecSchema: z.ZodType<WrittenTargetSpec> = strictObject<WrittenTargetSpec>({
  destination: account,
  rules: rulesSchema,
  sources: accountsSchema,
});

export const trafficTargetSchema: z.ZodType<TrafficTarget> = strictObject<WrittenTarget>({
  apiVersion: z.literal("access.smi-spec.io/v1alpha4"),
  kind: z.literal("TrafficTarget"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec: targetSpecSchema,
  status: z.unknown().exactOptional(),
})
  .superRefine((target, context) => {
    checkDestinationPort(target.metadata, context);
    checkOwnNamespace(target.spec.destination, target.metadata, { context, path: ["spec", "destination"] });
  })
  .transform((target) => ({ ...target, spec: completeTargetSpec(target.spec, target.metadata) }));

/** Adds an issue when the destination is in another namespace than the target. */
export function checkOwnNamespace(
  destination: WrittenSubject,
  { namespace }: ObjectMeta,
  { context, path }: { readonly context: z.RefinementCtx; readonly path: readonly string[] },
): void {
  if ((destination.namespace ?? namespace) === namespace) return;
  context.addIssue({
    code: "custom",
    path: [...path, "namespace"],
    message: `${namespace}: a TrafficTarget opens only its own namespace`,
  });
}

/** With the namespaces that were left out. */
export function completeTargetSpec(written: WrittenTargetSpec, { namespace }: ObjectMeta): TrafficTargetSpec {
  const { destination, rules, sources } = written;
  const qualify = (subject: WrittenSubject): IdentitySubject => ({
    ...subject,
    namespace: subject.namespace ?? namespace,
  });
  return { destination: qualify(destination), rules, sources: sources.map(qualify) };
}

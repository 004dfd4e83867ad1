import { z } from "zod";
import { checkDestinationPort, DESTINATION_PORT_ANNOTATION, readDestinationPort } from "../destination-port.ts";
import { type KindVersion, type ServedObject, withAnnotation, withContent } from "../kind-version.ts";
import { portNumber } from "../port-schema.ts";
import type { Resource } from "../resource.ts";
import { strictObject } from "../strict-object.ts";
import {
  checkOwnNamespace,
  completeTargetSpec,
  createRulesSchema,
  accountFields,
  accountsSchema,
  accountTargetSpecSchema,
  type TrafficRule,
  type TrafficTarget,
  type WrittenSubject,
  type WrittenTargetSpec,
} from "../traffic-target.ts";
import { type OlderFrame, olderMetadata, olderObjectSchema } from "./older-object.ts";

const GROUP = "access.smi-spec.io";

interface PortSubject extends WrittenSubject {
  /** Of the Service or of the workload. Left out: every port. */
  readonly port?: number;
}

interface PortSpec {
  readonly destination: PortSubject;
  readonly rules: readonly TrafficRule[];
  readonly sources: readonly WrittenSubject[];
}

/** v1alpha1: rules are called specs, and all stands at the top. */
type FlatTarget = OlderFrame & {
  readonly destination: PortSubject;
  readonly specs: readonly TrafficRule[];
  readonly sources: readonly WrittenSubject[];
};

const destination: z.ZodType<PortSubject> = strictObject<PortSubject>({
  ...accountFields,
  port: portNumber.exactOptional(),
});

const rules: z.ZodType<readonly TrafficRule[]> = createRulesSchema(["HTTPRouteGroup", "TCPRoute"]);

/** May be left out: then nobody may call. */
const sources: z.ZodType<readonly WrittenSubject[]> = z.preprocess((value) => value ?? [], accountsSchema);

const flatSchema: z.ZodType<Resource> = strictObject<FlatTarget>({
  apiVersion: z.literal(`${GROUP}/v1alpha1`),
  kind: z.literal("TrafficTarget"),
  metadata: olderMetadata,
  destination,
  specs: rules,
  sources,
  status: z.unknown().exactOptional(),
}).superRefine((target, context) => {
  checkOwnNamespace(target.destination, target.metadata, { context, path: ["destination"] });
});

/** Before v1alpha4 there is no IdentityBinding; before v1alpha3 no UDPRoute, but a port in the destination. */
export const TRAFFIC_TARGET_VERSIONS: readonly KindVersion[] = [
  {
    version: "v1alpha3",
    schema: withSpec("v1alpha3", accountTargetSpecSchema).superRefine((target, context) =>
      checkDestinationPort(target.metadata, context),
    ),
    toStored: (target) => toStored(target, target.spec as WrittenTargetSpec),
    fromStored(target) {
      const loss = describeBindings(target as TrafficTarget);
      return loss === null
        ? { object: withContent(target, `${GROUP}/v1alpha3`, { spec: target.spec }), loss }
        : { loss };
    },
  },
  {
    version: "v1alpha2",
    schema: withSpec("v1alpha2", strictObject<PortSpec>({ destination, rules, sources })),
    toStored: (target) => withPort(target, target.spec as PortSpec),
    fromStored: (target) => fromStored(target, (spec) => withContent(target, `${GROUP}/v1alpha2`, { spec })),
  },
  {
    version: "v1alpha1",
    schema: flatSchema,
    topFields: { destination: "destination", specs: "rules", sources: "sources" },
    toStored(target) {
      const flat = target as FlatTarget;
      return withPort(target, { destination: flat.destination, rules: flat.specs, sources: flat.sources });
    },
    fromStored: (target) =>
      fromStored(target, (spec) =>
        withContent(target, `${GROUP}/v1alpha1`, {
          destination: spec.destination,
          specs: spec.rules,
          sources: spec.sources,
        }),
      ),
  },
];

function withSpec(version: string, spec: z.ZodType<{ readonly destination: WrittenSubject }>): z.ZodType<Resource> {
  return olderObjectSchema(`${GROUP}/${version}`, "TrafficTarget", spec).superRefine((target, context) => {
    const { destination: written } = target.spec as WrittenTargetSpec;
    checkOwnNamespace(written, target.metadata, { context, path: ["spec", "destination"] });
  });
}

/** What is lost where there are service accounts alone; null = nothing. */
function describeBindings({ spec }: TrafficTarget): string | null {
  const names = [spec.destination, ...spec.sources]
    .filter(({ kind }) => kind === "IdentityBinding")
    .map(({ name }) => name);
  return names.length === 0 ? null : `its IdentityBindings (${names.join(", ")}): it has no IdentityBinding`;
}

function toStored(target: Resource, spec: WrittenTargetSpec): TrafficTarget {
  return withContent(target, `${GROUP}/v1alpha4`, { spec: completeTargetSpec(spec, target.metadata) });
}

function withPort(target: Resource, { destination: { port, ...subject }, ...rest }: PortSpec): TrafficTarget {
  const text = port === undefined ? null : String(port);
  return withAnnotation(toStored(target, { destination: subject, ...rest }), DESTINATION_PORT_ANNOTATION, text);
}

function fromStored(target: Resource, create: (spec: PortSpec) => Resource): ServedObject {
  const { spec } = target as TrafficTarget;
  const loss = describeBindings(target as TrafficTarget);
  if (loss !== null) return { loss };
  const udp = spec.rules.filter((rule) => rule.kind === "UDPRoute");
  if (udp.length > 0) {
    return { loss: `its rules about UDP (${udp.map(({ name }) => name).join(", ")}): it has no UDPRoute` };
  }
  const port = readDestinationPort(target.metadata);
  const destination = { ...spec.destination, ...(port === null ? {} : { port }) };
  return { object: withAnnotation(create({ ...spec, destination }), DESTINATION_PORT_ANNOTATION, null), loss: null };
}

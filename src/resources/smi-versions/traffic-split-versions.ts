import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type KindVersion, type ServedObject, withAnnotation, withContent } from "../kind-version.ts";
import { dnsLabel, dnsSubdomain } from "../name-schema.ts";
import type { Resource } from "../resource.ts";
import { strictObject } from "../strict-object.ts";
import {
  MAX_WEIGHT,
  type SplitBackend,
  splitBackendsSchema,
  type TrafficSplit,
  trafficSplitSpecSchema,
  weightedBackends,
} from "../traffic-split.ts";
import { olderObjectSchema } from "./older-object.ts";
import { parseQuantity, toWholeNumbers } from "./quantity.ts";

/** Weights as v1alpha1 has them, by Service, where they are no plain whole numbers: kept to be read again in v1alpha1. */
export const QUANTITIES_ANNOTATION = "weft.dev/split-quantities";

const GROUP = "split.smi-spec.io";
const STORED = "split.smi-spec.io/v1alpha4";
const QUANTITY_RULE = 'a quantity of 0 or more, e.g. 1 or "500m"';

interface UnmatchedSpec<Backend> {
  readonly service: string;
  readonly backends: readonly Backend[];
}

/** A weight is a quantity, as a text or a number. */
interface QuantityBackend {
  readonly service: string;
  readonly weight: string | number;
}

const quantity: z.ZodType<string | number> = z
  .union([z.string(), z.number()], QUANTITY_RULE)
  .refine((value) => parseQuantity(value) !== null, QUANTITY_RULE);

const quantityBackend: z.ZodType<QuantityBackend> = strictObject<QuantityBackend>({
  service: dnsLabel,
  weight: quantity,
});

const quantityBackends: z.ZodType<readonly QuantityBackend[]> = splitBackendsSchema(quantityBackend).refine(
  (backends) => toWhole(backends) !== null,
  `weights in a ratio that whole numbers of 0 to ${MAX_WEIGHT} can say`,
);

/** v1alpha3 is v1alpha4 by another name; before it there were no matches, and v1alpha1 has quantities for weights. */
export const TRAFFIC_SPLIT_VERSIONS: readonly KindVersion[] = [
  {
    version: "v1alpha3",
    schema: splitSchema("v1alpha3", trafficSplitSpecSchema),
    toStored: (split) => withContent<TrafficSplit>(split, STORED, { spec: split.spec }),
    fromStored: (split) => ({ object: withContent(split, `${GROUP}/v1alpha3`, { spec: split.spec }), loss: null }),
  },
  {
    version: "v1alpha2",
    schema: splitSchema(
      "v1alpha2",
      strictObject<UnmatchedSpec<SplitBackend>>({ service: dnsSubdomain, backends: weightedBackends }),
    ),
    toStored: (split) => toMatched(split, (split.spec as UnmatchedSpec<SplitBackend>).backends),
    fromStored: (split) => fromMatched(split, "v1alpha2", specOf(split).backends),
  },
  {
    version: "v1alpha1",
    schema: splitSchema(
      "v1alpha1",
      strictObject<UnmatchedSpec<QuantityBackend>>({ service: dnsSubdomain, backends: quantityBackends }),
    ),
    toStored(split) {
      const { backends } = split.spec as UnmatchedSpec<QuantityBackend>;
      const whole = toWhole(backends) ?? [];
      const quantities = Object.fromEntries(backends.map(({ service, weight }) => [service, weight]));
      const text = isDeepStrictEqual(whole, backends) ? null : JSON.stringify(quantities);
      return withAnnotation(toMatched(split, whole), QUANTITIES_ANNOTATION, text);
    },
    fromStored(split) {
      const backends = readQuantities(split) ?? specOf(split).backends;
      return fromMatched(withAnnotation(split, QUANTITIES_ANNOTATION, null), "v1alpha1", backends);
    },
  },
];

function splitSchema(version: string, spec: z.ZodType): z.ZodType<Resource> {
  return olderObjectSchema(`${GROUP}/${version}`, "TrafficSplit", spec);
}

function toMatched(split: Resource, backends: readonly SplitBackend[]): TrafficSplit {
  const { service } = split.spec as UnmatchedSpec<unknown>;
  return withContent(split, STORED, { spec: { service, backends, matches: [] } });
}

function fromMatched(split: Resource, version: string, backends: readonly unknown[]): ServedObject {
  const { service, matches } = specOf(split);
  if (matches.length > 0) {
    const names = matches.map(({ name }) => name).join(", ");
    return { loss: `its matches (${names}): without them it would split every request` };
  }
  return { object: withContent(split, `${GROUP}/${version}`, { spec: { service, backends } }), loss: null };
}

function specOf(split: Resource): TrafficSplit["spec"] {
  return (split as TrafficSplit).spec;
}

/** Null when whole numbers cannot say the ratio. */
function toWhole(backends: readonly QuantityBackend[]): readonly SplitBackend[] | null {
  const weights = toWholeNumbers(
    backends.map(({ weight }) => parseQuantity(weight) ?? 0n),
    MAX_WEIGHT,
  );
  return weights?.map((weight, index) => ({ service: backends[index]?.service ?? "", weight })) ?? null;
}

/** The backends as v1alpha1 has them; null when nothing was kept, or the weights were changed since. */
function readQuantities(split: Resource): readonly QuantityBackend[] | null {
  const kept = parseKept(split.metadata.annotations?.[QUANTITIES_ANNOTATION]);
  if (kept === null) return null;
  const { backends } = specOf(split);
  const written = backends.map(({ service }) => ({ service, weight: kept.get(service) }));
  const result = z.array(quantityBackend).safeParse(written);
  return result.success && isDeepStrictEqual(toWhole(result.data), backends) ? result.data : null;
}

/** Null for what is no JSON object: anybody may write into an annotation. */
function parseKept(text: string | undefined): ReadonlyMap<string, unknown> | null {
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? new Map(Object.entries(value)) : null;
  } catch {
    return null;
  }
}

import { z } from "zod";
import { dnsLabel, labelValue, qualifiedName } from "./name-schema.ts";
import { ownerReferences } from "./owner-reference-schema.ts";
import type { ObjectMeta, OwnerReference } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

export const DEFAULT_NAMESPACE = "default";

/** As in Kubernetes: keys and values of all annotations of one object together. */
const MAX_ANNOTATION_BYTES = 256 * 1024;
const MAX_FINALIZERS = 64;

export interface ObjectMetaOptions {
  readonly name: z.ZodType<string>;
  readonly namespaced: boolean;
}

/** Clients write what is empty as null, too; `selfLink` is legal to apply again, of no use to weft and so not kept. */
interface LooseMeta {
  readonly annotations?: Readonly<Record<string, string>> | null;
  readonly creationTimestamp?: string | null;
  readonly deletionGracePeriodSeconds?: number | null;
  readonly deletionTimestamp?: string | null;
  readonly finalizers?: readonly string[] | null;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly managedFields?: readonly Readonly<Record<string, unknown>>[] | null;
  readonly ownerReferences?: readonly OwnerReference[] | null;
  readonly selfLink?: string;
}

type WrittenMeta = Omit<ObjectMeta, keyof LooseMeta> & LooseMeta;

/** Metadata of one kind: names checked, namespace defaulted, and only what `ObjectMeta` has kept. */
export function createObjectMetaSchema(options: ObjectMetaOptions): z.ZodType<ObjectMeta> {
  return strictObject<WrittenMeta>({
    name: options.name,
    namespace: options.namespaced ? namespaceOfNamespaced : namespaceOfClusterScoped,
    labels: z.record(qualifiedName, labelValue, "an object of strings").nullable().exactOptional(),
    annotations: annotations.nullable().exactOptional(),
    uid: z.string("a string").exactOptional(),
    resourceVersion: z.string("a string").exactOptional(),
    generation: z.int("a whole number").exactOptional(),
    creationTimestamp: z.string('a time, e.g. "2026-01-31T12:00:00Z"').nullable().exactOptional(),
    deletionGracePeriodSeconds: z.int("a whole number").nullable().exactOptional(),
    deletionTimestamp: z.string("a time").nullable().exactOptional(),
    finalizers: z
      .array(qualifiedName, "a list of strings")
      .max(MAX_FINALIZERS, `at most ${MAX_FINALIZERS} finalizers`)
      .nullable()
      .exactOptional(),
    generateName: z.string("a string").exactOptional(),
    managedFields: z
      .array(z.record(z.string(), z.unknown(), "an object"), "a list of objects")
      .nullable()
      .exactOptional(),
    ownerReferences: ownerReferences.nullable().exactOptional(),
    selfLink: z.string("a string").exactOptional(),
  }).transform(keepUsed);
}

const namespaceOfNamespaced: z.ZodType<string> = z.preprocess(
  (value) => (value === undefined || value === "" ? DEFAULT_NAMESPACE : value),
  dnsLabel,
);

const namespaceOfClusterScoped: z.ZodType<string> = z
  .literal("", "no namespace: this kind belongs to the whole mesh")
  .default("");

const annotations: z.ZodType<Readonly<Record<string, string>>> = z
  .record(qualifiedName, z.string("a string (numbers and booleans need quotes)"), "an object of strings")
  .refine((all) => sizeOf(all) <= MAX_ANNOTATION_BYTES, `at most ${MAX_ANNOTATION_BYTES} bytes of annotations`);

function sizeOf(all: Readonly<Record<string, string>>): number {
  let bytes = 0;
  for (const [key, value] of Object.entries(all)) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  return bytes;
}

function keepUsed(meta: WrittenMeta): ObjectMeta {
  const { generateName, finalizers, ownerReferences: owners, managedFields } = meta;
  return {
    name: meta.name,
    ...(generateName === undefined || generateName === "" ? {} : { generateName }),
    namespace: meta.namespace,
    ...(isEmpty(meta.labels) ? {} : { labels: meta.labels }),
    ...(isEmpty(meta.annotations) ? {} : { annotations: meta.annotations }),
    ...(isEmpty(finalizers) ? {} : { finalizers: [...new Set(finalizers)] }),
    ...(isEmpty(owners) ? {} : { ownerReferences: owners }),
    ...(meta.uid === undefined ? {} : { uid: meta.uid }),
    ...(meta.resourceVersion === undefined ? {} : { resourceVersion: meta.resourceVersion }),
    ...(meta.generation === undefined ? {} : { generation: meta.generation }),
    ...(typeof meta.creationTimestamp === "string" ? { creationTimestamp: meta.creationTimestamp } : {}),
    ...(typeof meta.deletionTimestamp === "string" ? { deletionTimestamp: meta.deletionTimestamp } : {}),
    ...(typeof meta.deletionGracePeriodSeconds === "number"
      ? { deletionGracePeriodSeconds: meta.deletionGracePeriodSeconds }
      : {}),
    // Kept when empty: that is how a client asks to forget who set what.
    ...(managedFields === null || managedFields === undefined ? {} : { managedFields }),
  };
}

function isEmpty(value: object | null | undefined): value is null | undefined {
  return value === null || value === undefined || Object.keys(value).length === 0;
}

import type { z } from "zod";
import type { KnownResource } from "./known-resource.ts";
import type { Resource } from "./resource.ts";

/**
 * A version in which a kind is served besides the one it is stored in. Both functions are pure and take valid objects.
 * Going to storage and back gives the object again, with its defaults.
 */
export interface KindVersion {
  readonly version: string;
  /** What may be written in this version, with its defaults. */
  readonly schema: z.ZodType<Resource>;
  /** Fields that stand at the top of the object in this version and under `spec` in storage: their names here, and there. */
  readonly topFields?: Readonly<Record<string, string>>;
  readonly toStored: (object: Resource) => KnownResource;
  readonly fromStored: (stored: Resource) => ServedObject;
}

/** An object as a version has it; or, for one that it cannot say without saying more than is meant, what would be lost. */
export type ServedObject = { readonly object: Resource; readonly loss: null } | { readonly loss: string };

/** The object with other content: apiVersion and the fields given, and of the old one kind, metadata and status. */
export function withContent<T extends Resource>(
  { kind, metadata, status }: Resource,
  apiVersion: string,
  content: Readonly<Record<string, unknown>>,
): T {
  return { apiVersion, kind, metadata, ...content, ...(status === undefined ? {} : { status }) } as unknown as T;
}

/** The object with this annotation; null takes it away. */
export function withAnnotation<T extends Resource>(object: T, name: string, value: string | null): T {
  const { [name]: found, ...others } = object.metadata.annotations ?? {};
  if (value === null && found === undefined) return object;
  const annotations = value === null ? others : { ...others, [name]: value };
  const { annotations: _annotations, ...metadata } = object.metadata;
  const kept = Object.keys(annotations).length === 0 ? {} : { annotations };
  return { ...object, metadata: { ...metadata, ...kept } };
}

import { z } from "zod";
import { dnsLabel } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";

/** What Kubernetes writes into every namespace: its content must go before it does. */
const CONTENT_FINALIZER = "kubernetes";

/** As in Kubernetes: on every namespace, so that selectors can name one. */
export const NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name";

/** Where names are unique. It comes into being with its first resource; deleting it deletes what is in it. */
export interface Namespace extends Resource {
  readonly apiVersion: "v1";
  readonly kind: "Namespace";
  readonly spec: NamespaceSpec;
  readonly status?: NamespaceStatus;
}

export interface NamespaceSpec {
  /** Kept for Kubernetes' clients; weft always empties a namespace before it goes. */
  readonly finalizers: readonly string[];
}

export interface NamespaceStatus {
  /** "Terminating": its resources are being deleted and no new ones are taken. */
  readonly phase?: "Active" | "Terminating";
  readonly conditions?: readonly Readonly<Record<string, unknown>>[];
}

const spec: z.ZodType<NamespaceSpec> = strictObject<NamespaceSpec>({
  finalizers: z.array(z.string("a string"), "a list of strings").default([CONTENT_FINALIZER]),
});

const status: z.ZodType<NamespaceStatus> = strictObject<NamespaceStatus>({
  phase: z.enum(["Active", "Terminating"], "Active or Terminating").exactOptional(),
  conditions: z.array(z.record(z.string(), z.unknown(), "an object"), "a list of conditions").exactOptional(),
});

export const namespaceSchema: z.ZodType<Namespace> = strictObject<Namespace>({
  apiVersion: z.literal("v1"),
  kind: z.literal("Namespace"),
  metadata: createObjectMetaSchema({ name: dnsLabel, namespaced: false }),
  spec: z.preprocess((value) => value ?? {}, spec),
  status: status.exactOptional(),
});

/** What users write: one Kubernetes-style object, already validated when it has this type. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
  /** Kinds whose content is not under `spec` (EndpointSlice: addressType, endpoints, ports). */
  readonly [field: string]: unknown;
}

/** The part of Kubernetes ObjectMeta that weft keeps. `namespace` is "" for cluster-scoped kinds. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
}

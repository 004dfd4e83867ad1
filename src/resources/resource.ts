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
  /** A name was made from it: this, then five characters. */
  readonly generateName?: string;
  /** Who wants to do something before the resource goes; it is kept until the list is empty. */
  readonly finalizers?: readonly string[];
  /** The resource is deleted when the last of these is gone. */
  readonly ownerReferences?: readonly OwnerReference[];
  /** Set: it is being deleted, and waits for its finalizers. Only the API server writes it. */
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  /** Who set which fields (server-side apply). */
  readonly managedFields?: readonly Readonly<Record<string, unknown>>[];
}

/** A resource of the same namespace, or a cluster-scoped one, that another belongs to. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  /** The one owner that looks after the resource. */
  readonly controller?: boolean;
  /** Foreground deletion of the owner waits until this resource is gone. */
  readonly blockOwnerDeletion?: boolean;
}

/** SMI TrafficMetrics: measured when asked for and never stored, so its resources are no kinds of the registry. */
export const METRICS_GROUP = "metrics.smi-spec.io";
export const METRICS_VERSION = "v1alpha1";
export const METRICS_API_VERSION: string = `${METRICS_GROUP}/${METRICS_VERSION}`;
export const METRICS_ROOT: string = `/apis/${METRICS_API_VERSION}`;
export const METRICS_VERBS: readonly string[] = ["get", "list"];

/** What traffic can be asked for. */
export interface MetricsKind {
  /** As in `resource.kind` of the answer. */
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
}

/** All that the specification lists. */
export const METRICS_KINDS: readonly MetricsKind[] = [
  { kind: "Namespace", plural: "namespaces", singular: "namespace", namespaced: false },
  { kind: "Node", plural: "nodes", singular: "node", namespaced: false },
  { kind: "Pod", plural: "pods", singular: "pod", namespaced: true },
  { kind: "Service", plural: "services", singular: "service", namespaced: true },
  { kind: "TrafficSplit", plural: "trafficsplits", singular: "trafficsplit", namespaced: true },
  { kind: "Deployment", plural: "deployments", singular: "deployment", namespaced: true },
  { kind: "ReplicaSet", plural: "replicasets", singular: "replicaset", namespaced: true },
  { kind: "DaemonSet", plural: "daemonsets", singular: "daemonset", namespaced: true },
  { kind: "StatefulSet", plural: "statefulsets", singular: "statefulset", namespaced: true },
  {
    kind: "ReplicationController",
    plural: "replicationcontrollers",
    singular: "replicationcontroller",
    namespaced: true,
  },
  { kind: "Job", plural: "jobs", singular: "job", namespaced: true },
];

import type { EndpointSlice } from "../endpoint-slice.ts";
import type { Namespace } from "../namespace.ts";
import type { ServiceAccount } from "../service-account.ts";
import type { Service } from "../service.ts";
import type { KindDocs } from "./field-docs.ts";

const KUBERNETES_ONLY = "Of meaning to Kubernetes only: weft checks and keeps it, and does not use it.";

export const SERVICE_DOCS: KindDocs<Service> = {
  text: "A name that callers use, and the ports that they may call. The instances behind it are in EndpointSlices.",
  fields: {
    spec: [
      "The ports of the name, and which workloads are behind it.",
      {
        ports: [
          "What callers may call. Needed, except where clusterIP is None or type is ExternalName.",
          {
            name: "Name of the port: at most 63 of a-z, 0-9 and -. Needed, and unique, when there are several ports.",
            port: "The port that callers use.",
            targetPort:
              "Where the instances listen: a number, or the name of a port of the workload. Default: the same as port.",
            protocol: "TCP, UDP or SCTP. weft carries TCP.",
            appProtocol:
              "What the port speaks, e.g. http, grpc or tcp. With tcp the bytes are never looked into; left out, weft finds out by the first bytes of each connection.",
            nodePort: KUBERNETES_ONLY,
          },
        ],
        selector:
          "Labels of the workloads behind the name. Without any, the EndpointSlices are written by somebody else.",
        type: "ClusterIP, NodePort, LoadBalancer or ExternalName. All are reached by name inside the mesh.",
        clusterIP: 'An IP address, or "None" for a name without one (headless).',
        clusterIPs: `All addresses of the name, clusterIP first. ${KUBERNETES_ONLY}`,
        externalName: "The DNS name that stands for this one, when type is ExternalName.",
        allocateLoadBalancerNodePorts: KUBERNETES_ONLY,
        externalIPs: `Addresses outside the cluster that lead here. ${KUBERNETES_ONLY}`,
        externalTrafficPolicy: `Cluster or Local: where traffic from outside may go. ${KUBERNETES_ONLY}`,
        healthCheckNodePort: KUBERNETES_ONLY,
        internalTrafficPolicy: `Cluster or Local: where traffic from inside may go. ${KUBERNETES_ONLY}`,
        ipFamilies: `IPv4, IPv6 or both, in order of preference. ${KUBERNETES_ONLY}`,
        ipFamilyPolicy: `SingleStack, PreferDualStack or RequireDualStack. ${KUBERNETES_ONLY}`,
        loadBalancerClass: `Who provides the load balancer. ${KUBERNETES_ONLY}`,
        loadBalancerIP: `The address that the load balancer should have. ${KUBERNETES_ONLY}`,
        loadBalancerSourceRanges: `Who may use the load balancer, as address ranges. ${KUBERNETES_ONLY}`,
        publishNotReadyAddresses: `Whether instances are published before they are ready. ${KUBERNETES_ONLY}`,
        sessionAffinity: `None or ClientIP. ${KUBERNETES_ONLY} A TrafficPolicy's loadBalancing and sticky do this in the mesh.`,
        sessionAffinityConfig: KUBERNETES_ONLY,
        trafficDistribution: `Which instances Kubernetes prefers. ${KUBERNETES_ONLY} A TrafficPolicy's loadBalancing.preferZone does this in the mesh.`,
      },
    ],
  },
};

export const SERVICE_ACCOUNT_DOCS: KindDocs<ServiceAccount> = {
  text: "The identity that workloads run under. TrafficTargets name it to say who may call whom.",
  fields: {
    automountServiceAccountToken: KUBERNETES_ONLY,
    imagePullSecrets: [`Secrets for pulling images. ${KUBERNETES_ONLY}`, { name: "Name of the Secret." }],
    secrets: `References to Secrets of this account. ${KUBERNETES_ONLY}`,
  },
};

export const ENDPOINT_SLICE_DOCS: KindDocs<EndpointSlice> = {
  text: "Some of the instances of a Service: those with the same ports. The label kubernetes.io/service-name says of which Service.",
  fields: {
    addressType: "What the addresses are: IPv4, IPv6 or FQDN.",
    endpoints: [
      "The instances. At most 1000; more go into another slice.",
      {
        addresses: "Addresses of this one instance, at least one. weft uses the first.",
        conditions: [
          "How the instance is.",
          {
            ready: "Whether it may get traffic. Left out: true.",
            serving: "Whether it answers, also while it ends. Left out: the same as ready.",
            terminating: "Whether it is about to end. Left out: false.",
          },
        ],
        targetRef: [
          "The workload behind the address.",
          {
            apiVersion: "The version of its kind.",
            fieldPath: "A part of it.",
            kind: "Its kind, e.g. Pod.",
            name: "Its name.",
            namespace: "Its namespace.",
            resourceVersion: "The version that was seen.",
            uid: "Its uid.",
          },
        ],
        hostname: "A host name of the instance.",
        nodeName: "The machine on which it runs.",
        zone: "The zone in which it runs: callers of the same zone prefer it.",
        deprecatedTopology: KUBERNETES_ONLY,
        hints: `Who should use the instance. ${KUBERNETES_ONLY}`,
      },
    ],
    ports: [
      "The ports on which each of the instances listens. At most 100.",
      {
        name: "Equal to the name of the Service's port; empty when that has none.",
        port: "Where the instances listen. Left out: weft cannot send anything there.",
        protocol: "TCP, UDP or SCTP. weft carries TCP.",
        appProtocol: "What the port speaks, e.g. http, grpc or tcp.",
      },
    ],
  },
};

export const NAMESPACE_DOCS: KindDocs<Namespace> = {
  text: "Where names are unique. It comes into being with its first resource; deleting it deletes all that is in it.",
  fields: {
    spec: [
      "Settings of the namespace: none that weft uses.",
      { finalizers: "Kept for Kubernetes' clients: weft always empties a namespace before it goes." },
    ],
    status: [
      "How the namespace is. Not written by users.",
      {
        phase: "Active; Terminating while its resources are being deleted, and no new ones are taken.",
        conditions: "What keeps it from going, where something does.",
      },
    ],
  },
};

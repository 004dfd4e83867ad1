import { defineMessage, type MessageType } from "./message-type.ts";

/**
 * The messages of Kubernetes' own kinds that weft serves, and of DeleteOptions: clients that are generated for them
 * (`kubectl create service`) write protobuf and nothing else. Numbers as in Kubernetes' generated.proto files, where they
 * never change.
 */

const ownerReference = defineMessage(`
  1 kind string
  3 name string
  4 uid string
  5 apiVersion string
  6 controller bool
  7 blockOwnerDeletion bool`);

const managedFields = defineMessage(`
  1 manager string
  2 operation string
  3 apiVersion string
  4 time time
  6 fieldsType string
  7 fieldsV1 json
  8 subresource string`);

const meta = defineMessage(
  `
  1 name string
  2 generateName string
  3 namespace string
  4 selfLink string
  5 uid string
  6 resourceVersion string
  7 generation int
  8 creationTimestamp time
  9 deletionTimestamp time
  10 deletionGracePeriodSeconds int
  11 labels map
  12 annotations map
  13 ownerReferences ownerReference[]
  14 finalizers string[]
  17 managedFields managedFields[]`,
  { ownerReference, managedFields },
);

const objectReference = defineMessage(`
  1 kind string
  2 namespace string
  3 name string
  4 uid string
  5 apiVersion string
  6 resourceVersion string
  7 fieldPath string`);

const nameOnly = defineMessage("1 name string");

const condition = defineMessage(`
  1 type string
  2 status string
  4 lastTransitionTime time
  5 reason string
  6 message string`);

const metaCondition = defineMessage(`
  1 type string
  2 status string
  3 observedGeneration int
  4 lastTransitionTime time
  5 reason string
  6 message string`);

const portStatus = defineMessage(`
  1 port int
  2 protocol string
  3 error string`);

const ingress = defineMessage(
  `
  1 ip string
  2 hostname string
  3 ipMode string
  4 ports portStatus[]`,
  { portStatus },
);

const loadBalancer = defineMessage("1 ingress ingress[]", { ingress });

const serviceStatus = defineMessage(
  `
  1 loadBalancer loadBalancer
  2 conditions metaCondition[]`,
  { loadBalancer, metaCondition },
);

const servicePort = defineMessage(`
  1 name string
  2 protocol string
  3 port int
  4 targetPort intOrString
  5 nodePort int
  6 appProtocol string`);

const clientIp = defineMessage("1 timeoutSeconds int");
const sessionAffinityConfig = defineMessage("1 clientIP clientIp", { clientIp });

const serviceSpec = defineMessage(
  `
  1 ports servicePort[]
  2 selector map
  3 clusterIP string
  4 type string
  5 externalIPs string[]
  7 sessionAffinity string
  8 loadBalancerIP string
  9 loadBalancerSourceRanges string[]
  10 externalName string
  11 externalTrafficPolicy string
  12 healthCheckNodePort int
  13 publishNotReadyAddresses flag
  14 sessionAffinityConfig sessionAffinityConfig
  17 ipFamilyPolicy string
  18 clusterIPs string[]
  19 ipFamilies string[]
  20 allocateLoadBalancerNodePorts bool
  21 loadBalancerClass string
  22 internalTrafficPolicy string
  23 trafficDistribution string`,
  { servicePort, sessionAffinityConfig },
);

const namespaceSpec = defineMessage("1 finalizers string[]");
const namespaceStatus = defineMessage(
  `
  1 phase string
  2 conditions condition[]`,
  { condition },
);

const conditions = defineMessage(`
  1 ready bool
  2 serving bool
  3 terminating bool`);

const hints = defineMessage(
  `
  1 forZones nameOnly[]
  2 forNodes nameOnly[]`,
  { nameOnly },
);

const endpoint = defineMessage(
  `
  1 addresses string[]
  2 conditions conditions
  3 hostname string
  4 targetRef objectReference
  5 deprecatedTopology map
  6 nodeName string
  7 zone string
  8 hints hints`,
  { conditions, objectReference, hints },
);

const endpointPort = defineMessage(`
  1 name string
  2 protocol string
  3 port int
  4 appProtocol string`);

const preconditions = defineMessage(`
  1 uid string
  2 resourceVersion string`);

const backendPort = defineMessage(`
  1 name string
  2 number int`);
const backendService = defineMessage("1 name string\n2 port backendPort", { backendPort });
const typedReference = defineMessage(`
  1 apiGroup string
  2 kind string
  3 name string`);
const ingressBackend = defineMessage("3 resource typedReference\n4 service backendService", {
  typedReference,
  backendService,
});
const ingressPath = defineMessage("1 path string\n2 backend ingressBackend\n3 pathType string", { ingressBackend });
const ingressHttp = defineMessage("1 paths ingressPath[]", { ingressPath });
const ingressRule = defineMessage("1 host string\n2 http ingressHttp", { ingressHttp });
const ingressTls = defineMessage("1 hosts string[]\n2 secretName string");
const ingressSpec = defineMessage(
  `
  1 defaultBackend ingressBackend
  2 tls ingressTls[]
  3 rules ingressRule[]
  4 ingressClassName string`,
  { ingressBackend, ingressTls, ingressRule },
);
const ingressStatus = defineMessage("1 loadBalancer loadBalancer", { loadBalancer });

/** By "<apiVersion> <kind>"; DeleteOptions are of many versions and one form. */
export const KUBERNETES_MESSAGES: ReadonlyMap<string, MessageType> = new Map([
  [
    "v1 Service",
    defineMessage("1 metadata meta\n2 spec serviceSpec\n3 status serviceStatus", { meta, serviceSpec, serviceStatus }),
  ],
  [
    "v1 ServiceAccount",
    defineMessage(
      `
      1 metadata meta
      2 secrets objectReference[]
      3 imagePullSecrets nameOnly[]
      4 automountServiceAccountToken bool`,
      { meta, objectReference, nameOnly },
    ),
  ],
  [
    "v1 Namespace",
    defineMessage("1 metadata meta\n2 spec namespaceSpec\n3 status namespaceStatus", {
      meta,
      namespaceSpec,
      namespaceStatus,
    }),
  ],
  [
    "networking.k8s.io/v1 Ingress",
    defineMessage("1 metadata meta\n2 spec ingressSpec\n3 status ingressStatus", { meta, ingressSpec, ingressStatus }),
  ],
  [
    "discovery.k8s.io/v1 EndpointSlice",
    defineMessage(
      `
      1 metadata meta
      2 endpoints endpoint[]
      3 ports endpointPort[]
      4 addressType string`,
      { meta, endpoint, endpointPort },
    ),
  ],
]);

export const DELETE_OPTIONS_MESSAGE: MessageType = defineMessage(
  `
  1 gracePeriodSeconds int
  2 preconditions preconditions
  3 orphanDependents bool
  4 propagationPolicy string
  5 dryRun string[]`,
  { preconditions },
);

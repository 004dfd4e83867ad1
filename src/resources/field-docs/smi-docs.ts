import type { IdentityBinding } from "../identity-binding.ts";
import type { HttpRouteGroup } from "../http-route-group.ts";
import type { RoutePorts } from "../route-ports.ts";
import type { TcpRoute } from "../tcp-route.ts";
import type { TrafficSplit } from "../traffic-split.ts";
import type { TrafficTarget } from "../traffic-target.ts";
import type { UdpRoute } from "../udp-route.ts";
import type { FieldDoc, KindDocs } from "./field-docs.ts";

export const HTTP_ROUTE_GROUP_DOCS: KindDocs<HttpRouteGroup> = {
  text: "Names kinds of HTTP requests. Does nothing until a TrafficTarget, a TrafficSplit or a TrafficPolicy refers to it.",
  fields: {
    spec: [
      "The requests that are meant.",
      {
        matches: [
          "A request fits the group when it fits any of these. None: no request fits. At most 256.",
          {
            name: "Name of the match, unique in the group: others refer to it.",
            pathRegex:
              "Regular expression (RE2) for the path without its query, from its start; end it with $ to close it. Left out, empty or *: any path.",
            methods: 'HTTP methods in upper case. Left out, empty or with "*": any method.',
            headers:
              "Regular expressions (RE2) by header name, each found anywhere in the value; all must fit. One object, or a list of objects with one header each. Left out: any headers.",
          },
        ],
      },
    ],
  },
};

const ROUTE_PORTS_DOCS: FieldDoc<RoutePorts> = [
  "The ports that are meant.",
  {
    matches: [
      "Which ones are meant. Left out: all.",
      {
        name: "A name, for those who read it.",
        ports: "Ports of the Service or of the workload. Left out or empty: every port.",
      },
    ],
  },
];

export const TCP_ROUTE_DOCS: KindDocs<TcpRoute> = {
  text: "Names ports of TCP. Does nothing until a TrafficTarget refers to it.",
  fields: { spec: ROUTE_PORTS_DOCS },
};

export const UDP_ROUTE_DOCS: KindDocs<UdpRoute> = {
  text: "Names ports of UDP. Does nothing until a TrafficTarget refers to it.",
  fields: { spec: ROUTE_PORTS_DOCS },
};

export const TRAFFIC_SPLIT_DOCS: KindDocs<TrafficSplit> = {
  text: "Sends what is addressed to one Service to others, by weight, for each request.",
  fields: {
    spec: [
      "What is split, and how.",
      {
        service:
          "The name that callers use. Usually a Service of the same namespace, but it need not exist. The full name, with .svc.cluster.local, means the same.",
        backends: [
          "Where the requests go: at least one Service, each once. The name itself may be among them.",
          {
            service: "A Service of the same namespace.",
            weight: "Its share, relative to the other weights: a whole number of 0 to 1000000; 0 = nothing.",
          },
        ],
        matches: [
          "Only requests that fit any of these HTTPRouteGroups are split. Left out: all requests.",
          {
            kind: "HTTPRouteGroup.",
            name: "Name of the HTTPRouteGroup, of the same namespace.",
            apiGroup: "specs.smi-spec.io; may be left out.",
          },
        ],
      },
    ],
  },
};

export const TRAFFIC_TARGET_DOCS: KindDocs<TrafficTarget> = {
  text: "Allows its sources to call its destination with the requests that its rules describe. Nothing ever denies: what no TrafficTarget allows is denied.",
  fields: {
    spec: [
      "Who may call whom, and with what.",
      {
        destination: [
          "Whose workloads may be called.",
          {
            kind: "ServiceAccount, or IdentityBinding: then its service account.",
            name: "Its name.",
            namespace: "The TrafficTarget's own namespace, and nothing else. May be left out.",
          },
        ],
        rules: [
          "The requests that are allowed: at least one rule. Rules of one kind are alternatives; where there are HTTP rules and TCP rules, both must agree. UDPRoutes speak of UDP alone, the others never do.",
          {
            kind: "HTTPRouteGroup, TCPRoute or UDPRoute.",
            name: "Its name, in the namespace of the TrafficTarget.",
            matches:
              "Names of matches of the HTTPRouteGroup. Left out or empty: all of them. Not for a TCPRoute or a UDPRoute.",
          },
        ],
        sources: [
          "Who may call: any of them. An empty list allows nobody.",
          {
            kind: "ServiceAccount, or IdentityBinding: then any of its identities.",
            name: "Its name.",
            namespace: "Its namespace. Default: that of the TrafficTarget.",
          },
        ],
      },
    ],
  },
};

export const IDENTITY_BINDING_DOCS: KindDocs<IdentityBinding> = {
  text: "A name for identities, to be a source or the destination of TrafficTargets.",
  fields: {
    spec: [
      "Whom it stands for.",
      {
        schemes: [
          "Any of them; one at least.",
          {
            spiffeIdentities:
              "SPIFFE IDs, of this mesh or of a mesh whose TrustBundle is here; `spiffe://` may be left out. For sources only.",
            serviceAccount: "A service account of the binding's own namespace.",
          },
        ],
      },
    ],
  },
};

import type { IngressClass } from "../ingress-class.ts";
import type { Ingress } from "../ingress.ts";
import type { Secret } from "../secret.ts";
import type { KindDocs } from "./field-docs.ts";

const BACKEND = [
  "Where the requests go.",
  {
    service: [
      "A Service of the Ingress's namespace.",
      {
        name: "Name of the Service.",
        port: [
          "Which of its ports: by number or by name.",
          { number: "The port that callers of the Service use.", name: "Name of the port in the Service." },
        ],
      },
    ],
    resource: "Another kind of resource than a Service. weft refuses it.",
  },
] as const;

export const INGRESS_DOCS: KindDocs<Ingress> = {
  text: "Which requests from outside go to which Services, by host and path, and the certificates for TLS.",
  fields: {
    spec: [
      "Rules, TLS and the default backend.",
      {
        ingressClassName: "The IngressClass that says who serves this Ingress. Left out: the default class.",
        defaultBackend: [
          "Gets the other paths of the hosts of its rules; in an Ingress without rules, whatever no Ingress takes.",
          BACKEND[1],
        ],
        tls: [
          "Hosts with TLS, and the certificates for them.",
          {
            hosts: "Names that the certificate is for; left out: the hosts of the rules.",
            secretName:
              "A Secret of type kubernetes.io/tls of the same namespace. Left out: the gateway's own certificate.",
          },
        ],
        rules: [
          "Rules by host; an exact host counts before a wildcard, and that before no host.",
          {
            host: "A DNS name; *. in front stands for exactly one label. Left out: every host.",
            http: [
              "Paths of the host. Left out: all go to the default backend.",
              {
                paths: [
                  "The longest path that matches is taken, an exact one before a prefix.",
                  {
                    path: "Begins with /.",
                    pathType:
                      "Exact: the whole path. Prefix: by elements between slashes. ImplementationSpecific: weft takes it as Prefix.",
                    backend: BACKEND,
                  },
                ],
              },
            ],
          },
        ],
      },
    ],
    status: [
      "Where the gateway listens.",
      {
        loadBalancer: [
          "Addresses of the gateway.",
          {
            ingress: [
              "One for each address.",
              {
                ip: "IP address.",
                hostname: "Host name.",
                ports: [
                  "Its ports.",
                  { port: "Number of the port.", protocol: "TCP.", error: "Why it cannot be used." },
                ],
              },
            ],
          },
        ],
      },
    ],
  },
};

export const INGRESS_CLASS_DOCS: KindDocs<IngressClass> = {
  text: "Who serves the Ingresses that name this class. With the controller weft.dev/ingress, weft's gateway does.",
  fields: {
    spec: [
      "The controller.",
      {
        controller: "weft.dev/ingress for weft's gateway; Ingresses of other controllers are left alone.",
        parameters: [
          "Settings of other controllers: checked and kept, and not used.",
          {
            apiGroup: "Group of the resource with the settings.",
            kind: "Its kind.",
            name: "Its name.",
            namespace: "Its namespace, with scope Namespace.",
            scope: "Cluster or Namespace.",
          },
        ],
      },
    ],
  },
};

export const SECRET_DOCS: KindDocs<Secret> = {
  text: "What nobody else may know, such as the key of a certificate. Only admins can read or write Secrets.",
  fields: {
    type: "Opaque, or kubernetes.io/tls with tls.crt and tls.key in PEM.",
    data: "Values by key, in base64. Each is a certificate, a key, a password.",
    stringData: "Values in plain text, for writing: they count before data, and are kept there.",
    immutable: "With true its data may not change any more.",
  },
};

/** What the gateway does with requests from outside that Ingresses speak of. Parts that mean the same stay the same objects. */
export interface IngressModel {
  /** In order of host; "" = every host that no other rule names. */
  readonly hosts: readonly IngressHostModel[];
  /** Of the oldest Ingress that has one and no rules; null = requests for other hosts are the listener's own affair. */
  readonly defaultBackend: IngressTarget | null;
  /** In order of host. */
  readonly certificates: readonly HostCertificate[];
  /** In order of name; only those in use. */
  readonly secrets: readonly ServerCertificateModel[];
}

export interface IngressHostModel {
  /** Lower-case name, `*.` and a name (exactly one label in front of it), or "". */
  readonly host: string;
  /** In the order in which they are tried: longest first, exact before prefix. */
  readonly paths: readonly IngressPathModel[];
  /** For paths of the host that are not listed; null = the mesh's default backend. */
  readonly defaultBackend: IngressTarget | null;
  /** Requests in the clear are sent to HTTPS. */
  readonly isHttpsOnly: boolean;
}

export interface IngressPathModel {
  /** In canonical form; a prefix has no slash at its end, and "" takes every path. */
  readonly path: string;
  readonly isExact: boolean;
  readonly target: IngressTarget;
}

export interface IngressTarget {
  /** "<namespace>/<name>" of the Ingress. */
  readonly ingress: string;
  /** "<namespace>/<service>", and its port; "" and 0: what was named does not exist, and requests are answered with 503. */
  readonly service: string;
  readonly port: number;
}

export interface HostCertificate {
  /** As in `IngressHostModel`; "" = for every name that no other certificate is for. */
  readonly host: string;
  /** Of a `ServerCertificateModel`. */
  readonly secret: string;
}

export interface ServerCertificateModel {
  /** "<namespace>/<name>" of the Secret. */
  readonly name: string;
  readonly certificateChainPem: string;
  readonly keyPem: string;
}

export const NO_INGRESS: IngressModel = { hosts: [], defaultBackend: null, certificates: [], secrets: [] };

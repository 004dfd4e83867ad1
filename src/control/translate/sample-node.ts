import { envoy } from "#gen/protos.js";
import type { AppProtocol, InboundPort, IngressPort, ProxyNodeMetadata } from "../../proxy-node.ts";
import type { Resource } from "../../resources/resource.ts";
import type { ProxyNode, ProxyView } from "../config-source.ts";
import { compileModel } from "../model/compile-model.ts";
import { createConfigSource, type MeshConfigSource } from "./create-config-source.ts";

// Proxies and views for tests.

export const SAMPLE_TRUST_DOMAIN = "shop.mesh";
export const SAMPLE_BUNDLE = "-----BEGIN CERTIFICATE-----\nroots\n-----END CERTIFICATE-----\n";

export interface SampleNode {
  /** Default "default". */
  readonly namespace?: string;
  /** Default "web-0". */
  readonly workload?: string;
  /** Default "web". */
  readonly serviceAccount?: string;
  readonly inbound?: readonly InboundPort[];
  readonly ingress?: readonly IngressPort[];
}

export function sampleNode(options: SampleNode = {}): ProxyNode {
  const { namespace = "default", workload = "web-0", serviceAccount = "web", inbound = [], ingress = [] } = options;
  const isEdge = ingress.length > 0;
  const metadata: ProxyNodeMetadata = {
    role: isEdge ? "ingress" : "sidecar",
    namespace,
    workload,
    runtime: "test",
    weftVersion: "0",
    outbound: isEdge ? null : { address: "127.0.0.1", port: 15_001 },
    inbound,
    ingress,
    admin: { address: "127.0.0.1", port: 15_020 },
  };
  const spiffeId = `spiffe://${SAMPLE_TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`;
  return { id: `${namespace}/${workload}`, namespace, workload, serviceAccount, spiffeId, metadata };
}

/** An app on port 8000 behind a socket on port 9000. */
export function sampleInbound(protocol: AppProtocol = "http"): InboundPort {
  return { address: "127.0.0.1", port: 9000, appAddress: "127.0.0.1", appPort: 8000, protocol };
}

export function sampleSource(resources: readonly Resource[]): MeshConfigSource {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  source.update(compileModel(resources, null), SAMPLE_BUNDLE);
  return source;
}

interface Decoder<T> {
  decode(bytes: Uint8Array): T;
}

/** Throws when the view has no such resource. */
export function decodeFrom<T>(view: ProxyView, typeUrl: string, name: string, type: Decoder<T>): T {
  const encoded = view.get(typeUrl)?.get(name);
  if (encoded === undefined) {
    throw new Error(`Cannot find "${name}"; the view has ${[...(view.get(typeUrl)?.keys() ?? [])].join(", ")}`);
  }
  const resource = envoy.service.discovery.v3.Resource.decode(encoded.bytes);
  return type.decode(resource.resource?.value ?? new Uint8Array());
}

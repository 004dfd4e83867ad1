import { z } from "zod";
import type { envoy } from "#gen/protos.js";
import { parseWorkloadId } from "../../identity/spiffe-id.ts";
import { APP_PROTOCOLS, type ProxyNodeMetadata } from "../../proxy-node.ts";
import { GRPC_INVALID_ARGUMENT, GRPC_PERMISSION_DENIED, type GrpcStatus } from "../../xds/grpc-status.ts";
import { fromStruct } from "../../xds/struct-json.ts";
import type { ProxyNode } from "../config-source.ts";
import type { PeerIdentity } from "./peer-identity.ts";

const MAX_TEXT = 253;
const MAX_LISTENERS = 256;
const MAX_PASSTHROUGH_RULES = 1024;

const text = z.string().min(1).max(MAX_TEXT);
const port = z.int().min(1).max(65_535);
const boundAddress = z.object({ address: text, port });
const protocol = z.enum(APP_PROTOCOLS);

const metadataSchema: z.ZodType<ProxyNodeMetadata> = z.object({
  role: z.enum(["sidecar", "ingress"]),
  namespace: text,
  workload: text,
  runtime: text,
  weftVersion: text,
  outbound: boundAddress.nullable(),
  udp: z
    .array(boundAddress.extend({ service: text, servicePort: port }))
    .max(MAX_LISTENERS)
    .exactOptional(),
  inbound: z.array(boundAddress.extend({ appAddress: text, appPort: port, protocol })).max(MAX_LISTENERS),
  ingress: z
    .array(
      boundAddress.extend({
        service: z.string().max(MAX_TEXT),
        servicePort: z.int().min(0).max(65_535),
        tls: z.boolean().exactOptional(),
        passthrough: z
          .array(z.object({ host: text, service: text, servicePort: port }))
          .max(MAX_PASSTHROUGH_RULES)
          .exactOptional(),
      }),
    )
    .max(MAX_LISTENERS),
  admin: boundAddress,
});

/** A node, or the status that its stream must end with. */
export type DecodedProxyNode = { readonly node: ProxyNode } | { readonly failure: GrpcStatus };

/**
 * Joins what the certificate proves with what the node says of itself. The node may describe only the workload that the
 * certificate names; anything else is PERMISSION_DENIED, so no proxy can read another one's configuration.
 */
export function decodeProxyNode(node: envoy.config.core.v3.Node, peer: PeerIdentity): DecodedProxyNode {
  const identity = parseWorkloadId(peer.spiffeId);
  if (identity === null) {
    return denied(
      `Cannot serve configuration to ${peer.spiffeId}: expected spiffe://<trust domain>/ns/<namespace>/sa/<name>`,
    );
  }
  const id = `${identity.namespace}/${peer.workload}`;
  if (node.id !== id) {
    return denied(
      `Cannot serve configuration to node "${cut(node.id ?? "")}": its certificate is for "${id}"; set node.id to that`,
    );
  }
  const result = metadataSchema.safeParse(fromStruct(node.metadata ?? {}));
  if (!result.success) {
    const problems = result.error.issues
      .slice(0, 5)
      .map((issue) => `metadata.${issue.path.join(".")}: ${issue.message}`);
    return { failure: { code: GRPC_INVALID_ARGUMENT, message: `Cannot read node "${id}": ${problems.join("; ")}` } };
  }
  const metadata = result.data;
  if (metadata.namespace !== identity.namespace || metadata.workload !== peer.workload) {
    return denied(
      `Cannot serve configuration to node "${id}": its metadata is of "${metadata.namespace}/${metadata.workload}"`,
    );
  }
  const { namespace, serviceAccount } = identity;
  return { node: { id, namespace, workload: peer.workload, serviceAccount, spiffeId: peer.spiffeId, metadata } };
}

function denied(message: string): DecodedProxyNode {
  return { failure: { code: GRPC_PERMISSION_DENIED, message } };
}

function cut(value: string): string {
  return value.length <= MAX_TEXT ? value : `${value.slice(0, MAX_TEXT)}…`;
}

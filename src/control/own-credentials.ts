import { join } from "node:path";
import type { Identity } from "../identity/identity-file.ts";
import { formatWorkloadId } from "../identity/spiffe-id.ts";
import type { Log } from "../lib/log.ts";
import type { Clock } from "../time/clock.ts";
import type { GrpcCredentials } from "../xds/grpc-client.ts";
import type { CertificateAuthority } from "./ca/certificate-authority.ts";
import { CONTROL_PLANE_NAMESPACE, CONTROL_PLANE_SERVICE_ACCOUNT } from "./ca/svid-issuer.ts";
import type { ClosingStack } from "./closing-stack.ts";
import { OwnIdentity } from "./own-identity.ts";
import { MeshServerCredentials } from "./server-credentials.ts";

/** Its own SPIFFE ID, by which others know it. */
export function formatControlPlaneId(trustDomain: string): string {
  return formatWorkloadId({
    trustDomain,
    namespace: CONTROL_PLANE_NAMESPACE,
    serviceAccount: CONTROL_PLANE_SERVICE_ACCOUNT,
  });
}

/** This control plane's certificate, renewed live, at both ends of connections. */
export interface OwnCredentials {
  readonly server: MeshServerCredentials;
  readonly client: () => GrpcCredentials;
  readonly onChange: (listener: () => void) => void;
}

export async function openOwnCredentials(
  options: { readonly clock: Clock; readonly log: Log; readonly stateDir: string },
  authority: CertificateAuthority,
  lifetimeMs: () => number,
  closing: ClosingStack,
): Promise<OwnCredentials> {
  const { clock, log, stateDir } = options;
  let onChange: () => void = () => undefined;
  const identity = new OwnIdentity({
    authority,
    folder: join(stateDir, "identity"),
    lifetimeMs,
    clock,
    log,
    onChange: (renewed) => {
      keyPair = renewed;
      server.update(renewed, renewed.trustBundlePem);
      onChange();
    },
  });
  closing.add(() => identity.close());
  let keyPair: Identity = await identity.start();
  const server = new MeshServerCredentials(keyPair, keyPair.trustBundlePem);
  return {
    server,
    client: () => ({ keyPair, trustBundlePem: keyPair.trustBundlePem }),
    onChange: (listener) => {
      onChange = listener;
    },
  };
}

import { ServerCredentials } from "@grpc/grpc-js";
import type { KeyPair } from "../transport/transport.ts";

/** TLS parameters of Node that grpc-js passes on with every change of certificate. */
interface ContextOptions {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly minVersion: "TLSv1.3";
}

/**
 * Credentials of the control plane's gRPC server: TLS 1.3 alone; the client's certificate is asked for, not required
 * (a workload that joins has none yet), so every service has to ask `PeerVerifier` who is calling. New connections use
 * the newest certificate; open ones go on.
 */
export class MeshServerCredentials extends ServerCredentials {
  constructor(keyPair: KeyPair, trustBundlePem: string) {
    super({ requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.3" }, toContext(keyPair, trustBundlePem));
  }

  update(keyPair: KeyPair, trustBundlePem: string): void {
    this.updateSecureContextOptions(toContext(keyPair, trustBundlePem));
  }

  /** grpc-js compares credentials when one port is bound twice. */
  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function toContext(keyPair: KeyPair, trustBundlePem: string): ContextOptions {
  // The version again: a context set later replaces the one that the server was made with, version and all.
  return { ca: trustBundlePem, cert: keyPair.certificateChainPem, key: keyPair.keyPem, minVersion: "TLSv1.3" };
}

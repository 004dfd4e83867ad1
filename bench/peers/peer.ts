import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTestCa } from "../../src/testing/test-ca.ts";

/**
 * Other proxies, set up as weft's own sidecars are: one process with one thread, no logs, connections kept on both sides,
 * TLS 1.3 with AES-128-GCM and P-256 certificates, verified by both ends.
 */
export interface PeerSpec {
  /** For messages and names of files: unique in a run. */
  readonly title: string;
  readonly core: number | null;
  readonly files: PeerFiles;
  /** What it carries, one after the other: a pair of hops in one process has two. */
  readonly hops: readonly PeerHop[];
}

export interface PeerHop {
  readonly port: number;
  readonly targetPort: number;
  /** Which TLS it adds: to what it calls, to what calls it, or none. */
  readonly tls: "upstream" | "downstream" | "none";
  readonly carries: Carries;
  /** What is spoken on the TLS leg where it carries HTTP. */
  readonly middle: "h1" | "h2";
}

/** "http" = HTTP/1.1 at both ends, "grpc" = HTTP/2 in the clear at both ends, "tcp" = opaque bytes. */
export type Carries = "http" | "grpc" | "tcp";

export interface PeerFiles {
  readonly folder: string;
  readonly caFile: string;
  /** Of the proxy beside the caller, and of the one beside the called. */
  readonly caller: CertificateFiles;
  readonly called: CertificateFiles;
}

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
  /** Both in one, for HAProxy. */
  readonly bundle: string;
}

export const CIPHER = "TLS_AES_128_GCM_SHA256";
export const PEER_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/bin",
};
/** The name in the certificate of the called proxy; nginx does not take a chain without a name. */
export const CALLED_NAME = "called.bench";

export async function createPeerFiles(folder: string): Promise<PeerFiles> {
  const ca = await createTestCa({ trustDomain: "bench.mesh" });
  const caFile = join(folder, "ca.pem");
  writeFileSync(caFile, ca.trustBundlePem);
  const issue = async (workload: string): Promise<CertificateFiles> => {
    const { certificateChainPem, keyPem } = await ca.issue({
      namespace: "default",
      serviceAccount: workload,
      workload,
    });
    return writeCertificate(join(folder, workload), certificateChainPem, keyPem);
  };
  return { folder, caFile, caller: await issue("caller.bench"), called: await issue(CALLED_NAME) };
}

/** Files named `path` with endings; 0600 where the key is. */
export function writeCertificate(path: string, chainPem: string, keyPem: string): CertificateFiles {
  const files = { certificate: `${path}.crt`, key: `${path}.key`, bundle: `${path}.pem` };
  writeFileSync(files.certificate, chainPem);
  writeFileSync(files.key, keyPem, { mode: 0o600 });
  writeFileSync(files.bundle, `${chainPem}\n${keyPem}`, { mode: 0o600 });
  return files;
}

export function toFileName(title: string): string {
  return title.replace(/\W+/g, "-");
}

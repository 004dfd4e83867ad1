// An etcd that speaks TLS and asks for clients' certificates, and the certificates for it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestCa, type TestCa } from "../../src/testing/test-ca.ts";
import { EtcdCluster, freePort } from "./etcd-cluster.ts";

export interface EtcdCertificateOptions {
  /** Default "ca". */
  readonly by?: Authority;
  /** IP addresses that it is for. Default: 127.0.0.1. */
  readonly address?: string;
  /** Default: the year 2100. */
  readonly untilWallMs?: number;
}

type Authority = "ca" | "other";

/** A folder with `<name>.pem` and `<name>.key` (0600) of each certificate, whose subject is CN=<name>, and both authorities' `.pem`. */
export class EtcdCertificates {
  readonly folder: string;
  readonly #authorities: Readonly<Record<Authority, TestCa>>;

  static async create(): Promise<EtcdCertificates> {
    const ca = await createTestCa({ trustDomain: "ca" });
    return new EtcdCertificates({ ca, other: await createTestCa({ trustDomain: "other" }) });
  }

  private constructor(authorities: Readonly<Record<Authority, TestCa>>) {
    this.folder = mkdtempSync(join(tmpdir(), "weft-etcd-tls-"));
    this.#authorities = authorities;
    for (const [name, { trustBundlePem }] of Object.entries(authorities)) this.write(`${name}.pem`, trustBundlePem);
  }

  async issue(name: string, options: EtcdCertificateOptions = {}): Promise<void> {
    const { by = "ca", address = "127.0.0.1", untilWallMs } = options;
    const { certificateChainPem, keyPem } = await this.#authorities[by].issue({
      ...{ namespace: "etcd", serviceAccount: "etcd", workload: name, uris: [], addresses: [address] },
      ...(untilWallMs === undefined ? {} : { notAfterWallMs: untilWallMs }),
    });
    this.write(`${name}.pem`, certificateChainPem);
    this.write(`${name}.key`, keyPem);
  }

  path(file: string): string {
    return join(this.folder, file);
  }

  read(file: string): string {
    return readFileSync(this.path(file), "utf8");
  }

  write(file: string, text: string, mode: number = 0o600): void {
    writeFileSync(this.path(file), text, { mode });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One member at `https://127.0.0.1:…` that shows the certificate of this name and lets in whom "ca" has signed. */
export async function startSecureEtcd(
  certificates: EtcdCertificates,
  server: string,
): Promise<{ readonly cluster: EtcdCluster; readonly endpoint: string }> {
  const endpoint = `https://127.0.0.1:${await freePort()}`;
  const cluster = await EtcdCluster.start({
    arguments: [
      ...["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint, "--client-cert-auth"],
      ...["--cert-file", certificates.path(`${server}.pem`), "--key-file", certificates.path(`${server}.key`)],
      ...["--trusted-ca-file", certificates.path("ca.pem")],
    ],
    // It cannot ask as nobody.
    wait: false,
  });
  return { cluster, endpoint };
}

import { webcrypto, X509Certificate } from "node:crypto";
import { loadX509 } from "../control/ca/lazy-x509.ts";
import type { Clock } from "../time/clock.ts";
import { toDate } from "../time/wall-time.ts";

const LIFE_MS = 400 * 86_400_000;

export interface GivenAuthority {
  /** The intermediate's key, its certificate, the root's. PEM. */
  readonly given: string;
  readonly intermediate: X509Certificate;
  readonly root: X509Certificate;
}

/** What an operator may have: a corporate root, and an intermediate below it that is to sign for the mesh. */
export async function createGivenAuthority(clock: Pick<Clock, "wallMs">): Promise<GivenAuthority> {
  const x509 = await loadX509();
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const [rootKeys, keys] = await Promise.all(
    [0, 1].map(() => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])),
  );
  if (rootKeys === undefined || keys === undefined) throw new Error("no keys were made");
  const [notBefore, notAfter] = [toDate(clock.wallMs() - 60_000), toDate(clock.wallMs() + LIFE_MS)];
  const usages = new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true);
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: "CN=Corp Root",
      notBefore,
      notAfter,
      keys: rootKeys,
      signingAlgorithm: algorithm,
      extensions: [new x509.BasicConstraintsExtension(true, 1, true), usages],
    },
    webcrypto,
  );
  const intermediate = await x509.X509CertificateGenerator.create(
    {
      subject: "CN=Corp Mesh CA",
      issuer: root.subject,
      notBefore,
      notAfter,
      publicKey: keys.publicKey,
      signingKey: rootKeys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [new x509.BasicConstraintsExtension(true, 0, true), usages],
    },
    webcrypto,
  );
  const pkcs8 = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  const pems = [intermediate, root].map((one) => one.toString("pem"));
  return {
    given: `${pkcs8}\n${pems.join("\n")}\n`,
    intermediate: new X509Certificate(pems[0] ?? ""),
    root: new X509Certificate(pems[1] ?? ""),
  };
}

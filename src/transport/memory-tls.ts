import { createPrivateKey, X509Certificate } from "node:crypto";
import { parseSpiffeSan } from "../identity/spiffe-san.ts";
import { parseWallTime } from "../time/wall-time.ts";
import type { KeyPair } from "./transport.ts";

/** What one side of an in-memory handshake found out about the other. */
export type MemoryTlsVerdict =
  | { readonly accepted: true; readonly spiffeId: string | null }
  | { readonly accepted: false; readonly reason: string };

/**
 * Verifies chains as TLS does, on real certificates, with the time of the test's clock: every signature, every validity,
 * and a root of the trust bundle at the end. Uses for keys are not looked at. Results are remembered by text.
 */
export class MemoryTlsVerifier {
  readonly #chains: Map<string, readonly X509Certificate[]> = new Map();
  readonly #signed: Map<string, string | null> = new Map();

  /** Null when the key belongs to the first certificate; else what is wrong. */
  checkKeyPair(keyPair: KeyPair): string | null {
    const text = `key\n${keyPair.keyPem}\n${keyPair.certificateChainPem}`;
    return this.#remember(text, () => {
      const leaf = this.#parse(keyPair.certificateChainPem)[0];
      if (leaf === undefined) return "no certificate in the chain";
      return leaf.checkPrivateKey(createPrivateKey(keyPair.keyPem)) ? null : "the key belongs to another certificate";
    });
  }

  /** The peer's certificates, leaf first. */
  parse(chainPem: string): readonly X509Certificate[] {
    return this.#parse(chainPem);
  }

  verify(chainPem: string, trustBundlePem: string, wallMs: number): MemoryTlsVerdict {
    const chain = this.#parse(chainPem);
    const leaf = chain[0];
    if (leaf === undefined) return { accepted: false, reason: "the peer sent no certificate" };
    const text = `chain\n${chainPem}\n${trustBundlePem}`;
    const reason = this.#remember(text, () => findUnsigned(chain, this.#parse(trustBundlePem)));
    if (reason !== null) return { accepted: false, reason };
    for (const certificate of chain) {
      if (wallMs > parseWallTime(certificate.validTo)) return { accepted: false, reason: "certificate has expired" };
      if (wallMs < parseWallTime(certificate.validFrom))
        return { accepted: false, reason: "certificate is not yet valid" };
    }
    return { accepted: true, spiffeId: parseSpiffeSan(leaf.subjectAltName) };
  }

  #parse(pem: string): readonly X509Certificate[] {
    let chain = this.#chains.get(pem);
    if (chain === undefined) {
      const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
      chain = blocks.map((block) => new X509Certificate(block));
      this.#chains.set(pem, chain);
    }
    return chain;
  }

  #remember(text: string, find: () => string | null): string | null {
    let reason = this.#signed.get(text);
    if (reason === undefined) {
      try {
        reason = find();
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      this.#signed.set(text, reason);
    }
    return reason;
  }
}

/** Follows the chain from the leaf to a root; null when it gets there. */
function findUnsigned(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): string | null {
  for (const [index, certificate] of chain.entries()) {
    if (roots.some((root) => root.fingerprint256 === certificate.fingerprint256)) {
      return index === 0 ? "the peer sent a root as its own certificate" : null;
    }
    if (roots.some((root) => isIssued(certificate, root))) return null;
    const next = chain[index + 1];
    if (next === undefined || !isIssued(certificate, next)) break;
  }
  return "unable to verify the first certificate";
}

function isIssued(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

import { X509Certificate, createPrivateKey } from "node:crypto";
import { join } from "node:path";
import { readPrivateFile, writePrivateFile } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";
import { formatWallTime, parseWallTime } from "../time/wall-time.ts";
import { parseSpiffeSan } from "./spiffe-san.ts";

/** A private key, the SVID for it and the mesh's roots, PEM. */
export interface IdentityMaterial {
  readonly keyPem: string;
  /** Leaf first. */
  readonly certificateChainPem: string;
  readonly trustBundlePem: string;
}

/** Material that was checked: key and certificate match, and the certificate leads to a root. */
export interface Identity extends IdentityMaterial {
  readonly spiffeId: string;
  /** Wall clock, from the certificate. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** One file for all three, replaced in one step, so that after a crash key and certificate still belong together. */
function formatIdentityPath(folder: string): string {
  return join(folder, "identity.json");
}

/** Null when there is none. Throws WEFT_IDENTITY_INVALID when it cannot be used, WEFT_STATE_… when it cannot be read. */
export function loadIdentity(folder: string, spiffeId: string): Identity | null {
  const path = formatIdentityPath(folder);
  const text = readPrivateFile(path);
  if (text === null) return null;
  let stored: Partial<Record<string, unknown>>;
  try {
    stored = JSON.parse(text) ?? {};
  } catch (error) {
    throw new WeftError(
      "WEFT_IDENTITY_INVALID",
      `Cannot use the identity in "${path}": found no JSON; expected what a proxy wrote`,
      { cause: error },
    );
  }
  const { keyPem, certificateChainPem, trustBundlePem } = stored;
  if (typeof keyPem !== "string" || typeof certificateChainPem !== "string" || typeof trustBundlePem !== "string") {
    throw new WeftError(
      "WEFT_IDENTITY_INVALID",
      `Cannot use the identity in "${path}": found a part missing; expected a key, a certificate and roots`,
    );
  }
  return checkIdentity({ keyPem, certificateChainPem, trustBundlePem }, spiffeId);
}

export async function saveIdentity(folder: string, identity: IdentityMaterial): Promise<void> {
  const { keyPem, certificateChainPem, trustBundlePem } = identity;
  await writePrivateFile(formatIdentityPath(folder), JSON.stringify({ keyPem, certificateChainPem, trustBundlePem }));
}

/** Checks everything but the time. Throws WEFT_IDENTITY_INVALID. */
export function checkIdentity(material: IdentityMaterial, spiffeId: string): Identity {
  const leaf = parse(material.certificateChainPem)[0];
  const found = parseSpiffeSan(leaf?.subjectAltName);
  if (leaf === undefined) throw refuse("no certificate", "a PEM chain");
  if (found !== spiffeId) throw refuse(`a certificate of ${found ?? "nobody"}`, spiffeId);
  let matches = false;
  try {
    matches = leaf.checkPrivateKey(createPrivateKey(material.keyPem));
  } catch (error) {
    throw refuse("a private key that does not load", "a PEM key", error);
  }
  if (!matches) throw refuse("a certificate of another key", "the one for our key");
  if (!leadsTo(material.certificateChainPem, material.trustBundlePem)) {
    throw refuse("a certificate that leads to none of the roots", "one that the mesh's CA signed");
  }
  return { ...material, spiffeId, notBeforeMs: parseWallTime(leaf.validFrom), notAfterMs: parseWallTime(leaf.validTo) };
}

/** True when each certificate of the chain is signed by the next one, and the last by a root of the bundle. */
export function leadsTo(certificateChainPem: string, trustBundlePem: string): boolean {
  const chain = parse(certificateChainPem);
  const roots = parse(trustBundlePem);
  return (
    chain.length > 0 &&
    chain.every((certificate, at) => {
      const next = chain[at + 1];
      return (next === undefined ? roots : [next]).some(
        (issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey),
      );
    })
  );
}

/** Whether the chain leads to the bundle's first root, which is the one that signs. */
export function isOfFirstRoot({ certificateChainPem, trustBundlePem }: IdentityMaterial): boolean {
  const first = parse(trustBundlePem)[0];
  return first !== undefined && leadsTo(certificateChainPem, first.toString());
}

/** Throws WEFT_IDENTITY_EXPIRED or WEFT_IDENTITY_CLOCK when the identity is not valid at that time. */
export function checkValidity(identity: Identity, wallMs: number): void {
  if (wallMs >= identity.notAfterMs) {
    throw new WeftError(
      "WEFT_IDENTITY_EXPIRED",
      `Cannot use the identity ${identity.spiffeId}: it expired at ${formatWallTime(identity.notAfterMs)}, now it is ${formatWallTime(wallMs)}; expected a valid certificate`,
    );
  }
  if (wallMs < identity.notBeforeMs) {
    throw new WeftError(
      "WEFT_IDENTITY_CLOCK",
      `Cannot use the identity ${identity.spiffeId}: it is valid from ${formatWallTime(identity.notBeforeMs)}, now it is ${formatWallTime(wallMs)}; expected clocks that agree`,
      {
        hint: "Set the clocks of this host and of the control plane's host",
      },
    );
  }
}

function parse(pem: string): X509Certificate[] {
  try {
    return (pem.match(PEM_CERTIFICATE) ?? []).map((certificate) => new X509Certificate(certificate));
  } catch (error) {
    throw refuse("a certificate that does not parse", "PEM", error);
  }
}

function refuse(found: string, expected: string, cause?: unknown): WeftError {
  return new WeftError("WEFT_IDENTITY_INVALID", `Cannot use the identity: found ${found}; expected ${expected}`, {
    cause,
  });
}

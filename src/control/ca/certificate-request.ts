import { webcrypto } from "node:crypto";
import { WeftError } from "../../lib/weft-error.ts";
import { loadX509 } from "./lazy-x509.ts";

/** Ours have about 220 bytes; more is not parsed. */
const MAX_REQUEST_BYTES = 4096;

/**
 * The public key of a PKCS#10 request, DER SubjectPublicKeyInfo, once the request's own signature proves that its maker
 * holds the private key. Only P-256 keys are taken. Names and extensions that the request asks for are never read: the
 * identity comes from the credential. Throws WEFT_CA_REQUEST.
 */
export async function readProvenKey(requestDer: Uint8Array): Promise<Uint8Array> {
  if (requestDer.length === 0 || requestDer.length > MAX_REQUEST_BYTES) {
    throw refuse(`${requestDer.length} bytes`, `1 to ${MAX_REQUEST_BYTES} bytes`);
  }
  const x509 = await loadX509();
  let request: InstanceType<typeof x509.Pkcs10CertificateRequest>;
  let algorithm: Readonly<Record<string, unknown>>;
  try {
    // Copied, because the parser keeps views and the bytes belong to the caller.
    request = new x509.Pkcs10CertificateRequest(Uint8Array.from(requestDer));
    algorithm = { ...request.publicKey.algorithm };
  } catch (error) {
    throw refuse("bytes that do not parse", "a DER certificate request (PKCS#10)", error);
  }
  if (algorithm["name"] !== "ECDSA" || algorithm["namedCurve"] !== "P-256") {
    const curve = typeof algorithm["namedCurve"] === "string" ? ` ${algorithm["namedCurve"]}` : "";
    throw refuse(`a key of type ${String(algorithm["name"])}${curve}`, "an ECDSA P-256 key");
  }
  let proved = false;
  try {
    proved = await request.verify(webcrypto);
  } catch (error) {
    throw refuse("a signature that cannot be checked", "one made with the request's own key", error);
  }
  if (!proved) throw refuse("a signature by another key", "one made with the request's own key");
  return new Uint8Array(request.publicKey.rawData);
}

function refuse(found: string, expected: string, cause?: unknown): WeftError {
  return new WeftError("WEFT_CA_REQUEST", `Cannot sign the certificate request: found ${found}; expected ${expected}`, {
    cause,
  });
}

import { parseCertificates } from "./peer-judge.ts";

/** SPIFFE Trust Domain and Bundle, 4: a JWK Set with one entry for each root. */
export interface SpiffeBundle {
  /** Seconds after which whoever reads it should read it again. */
  readonly spiffe_refresh_hint: number;
  readonly keys: readonly SpiffeBundleKey[];
}

export interface SpiffeBundleKey {
  readonly use: "x509-svid";
  /** RFC 7517, 4.7: base64 of the DER, one certificate per entry. */
  readonly x5c: readonly [string];
  readonly kty: string;
  readonly [parameter: string]: unknown;
}

/** Five minutes, as the specification proposes. */
const REFRESH_SECONDS = 300;

/** Throws what `X509Certificate` throws for what is no certificate. */
export function formatSpiffeBundle(bundlePem: string): SpiffeBundle {
  const keys = parseCertificates(bundlePem).map((root): SpiffeBundleKey => {
    const { kty = "", ...parameters } = root.publicKey.export({ format: "jwk" });
    return { use: "x509-svid", kty, ...parameters, x5c: [root.raw.toString("base64")] };
  });
  return { spiffe_refresh_hint: REFRESH_SECONDS, keys };
}

import type { X509Certificate } from "node:crypto";

/** A certificate of this mesh for a user; whether it is in force is for its times, and for the User, to say. */
export interface UserCertificate {
  readonly user: string;
  /** Of the certificate in DER, in hexadecimal. */
  readonly sha256: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Reads a client certificate whose key the peer proved to hold; what is wrong with it as a text. The control plane has one. */
export type ReadUserCertificate = (certificate: X509Certificate) => UserCertificate | string;

import { constants } from "node:crypto";
import { WeftError } from "../lib/weft-error.ts";
import type { TlsServerOptions } from "./transport.ts";

/** AES-128-GCM first: the fastest one with AES instructions, and strong enough for every profile we know of. */
export const TLS_CIPHERS: string = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/**
 * No tickets: a resumed session would keep the verdict on a certificate that has since expired or lost its root. Links
 * are long-lived, so full handshakes are rare.
 */
export const TLS_SECURE_OPTIONS: number = constants.SSL_OP_NO_TICKET;

export function listenError(address: string, port: number, cause: unknown): WeftError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const what = code === "EADDRINUSE" ? "the port is in use" : cause instanceof Error ? cause.message : String(cause);
  const hint =
    code === "EADDRINUSE"
      ? "Stop the process that listens there, or choose another port"
      : code === "EACCES"
        ? "Choose a port above 1023, or run with the right to bind this one"
        : "Check that the address belongs to this machine";
  return new WeftError("WEFT_TRANSPORT_LISTEN", `Cannot listen on ${address} port ${port}: ${what}`, { cause, hint });
}

/** The platform refused a key pair or trust bundle. Its message names the fault and no key material. */
export function identityError(cause: unknown): WeftError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new WeftError(
    "WEFT_TRANSPORT_IDENTITY",
    `Cannot use TLS identity: ${what}; expected a PEM key and its chain`,
    {
      cause,
      hint: "Check that the key belongs to the certificate and that both, and the trust bundle, are PEM",
    },
  );
}

/** A listener keeps its protocols for life: a change would need the codecs above it to change too. */
export function assertSameAlpn(current: TlsServerOptions, next: TlsServerOptions): void {
  if (current.alpn.join() === next.alpn.join()) return;
  throw new WeftError(
    "WEFT_TRANSPORT_RELOAD",
    `Cannot reload TLS: protocols changed from "${current.alpn.join()}" to "${next.alpn.join()}"; expected the same`,
    { hint: "Close the listener and open another" },
  );
}

import { WeftError } from "../lib/weft-error.ts";

/**
 * Throws `WEFT_TRANSPORT_TLS_ENVIRONMENT` when `value`, what NODE_TLS_REJECT_UNAUTHORIZED holds, turns off certificate
 * checks: the platforms then accept any peer, on Bun's listeners as well. Every process that opens a transport calls
 * this first.
 */
export function assertSafeTlsEnvironment(value: string | undefined): void {
  if (value !== "0") return;
  throw new WeftError(
    "WEFT_TRANSPORT_TLS_ENVIRONMENT",
    "Cannot start with NODE_TLS_REJECT_UNAUTHORIZED=0: it turns off the certificate checks that mutual TLS rests on",
    { hint: "Unset NODE_TLS_REJECT_UNAUTHORIZED and start again" },
  );
}

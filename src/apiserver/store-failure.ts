import type { WeftError } from "../lib/weft-error.ts";
import { StatusError } from "./status.ts";

/** What a store that cannot be used at the moment is to a caller: a reason to try again, not a fault. Null for anything else. */
export function toStoreFailure(error: WeftError): StatusError | null {
  const hint = error.hint === null ? "" : `. ${error.hint}`;
  switch (error.code) {
    case "WEFT_STORE_UNREACHABLE":
    case "WEFT_STORE_FULL":
    case "WEFT_STORE_DENIED":
      return new StatusError(
        "ServiceUnavailable",
        `Cannot serve the request, nothing was changed: ${error.message}${hint}`,
      );
    // 504: whether it was made is not known.
    case "WEFT_STORE_UNKNOWN_OUTCOME":
      return new StatusError("Timeout", `${error.message}${hint}`);
    default:
      return null;
  }
}

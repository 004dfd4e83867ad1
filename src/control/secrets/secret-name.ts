import { WeftError } from "../../lib/weft-error.ts";

/** Names become parts of paths and keys. Throws WEFT_SECRETS_NAME. */
export function assertSecretName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]{0,99}\/[a-z0-9][a-z0-9._-]{0,199}$/.test(name)) return;
  throw new WeftError(
    "WEFT_SECRETS_NAME",
    `Cannot keep a secret: found the name ${JSON.stringify(name)}; expected two parts of a-z, 0-9, ".", "-" and "_"`,
  );
}

import { WeftError } from "../lib/weft-error.ts";

const CODE = "WEFT_CLI_USAGE";

/** The command line itself is wrong: exit code 2. For what commander cannot see, such as an unknown kind. */
export function createUsageError(message: string, hint: string): WeftError {
  return new WeftError(CODE, message, { hint });
}

export function isUsageError(error: unknown): boolean {
  return error instanceof WeftError && error.code === CODE;
}

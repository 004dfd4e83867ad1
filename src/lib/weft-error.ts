/**
 * The one error class of the control plane, the CLI and the runner. The request path uses failure codes instead
 * (`proxy/failures.ts`).
 *
 * Message rule: `Cannot <verb> <thing> "<name>": <what was found>; expected <what>`. Upper-case start, no full stop,
 * no secret. `hint` says what to do next.
 */
export class WeftError extends Error {
  /** `WEFT_<AREA>_<WHAT>`; documented in docs/errors.md. */
  readonly code: string;
  readonly hint: string | null;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: WeftErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WeftError";
    this.code = code;
    this.hint = options.hint ?? null;
    this.details = options.details ?? {};
  }
}

export interface WeftErrorOptions {
  readonly cause?: unknown;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Kubernetes `Status` objects: how the API server says what went wrong. */

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  /** Path inside the object, e.g. `spec.backends[1].weight`. */
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  /** Plural, as in the path. */
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: "Success" | "Failure";
  readonly message: string;
  /** Machine-readable, e.g. `AlreadyExists`. */
  readonly reason: string;
  readonly details?: StatusDetails;
  /** The HTTP status. */
  readonly code: number;
}

/** Reasons are Kubernetes' own words; clients such as kubectl act on them. */
const HTTP_STATUS_BY_REASON = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  MisdirectedRequest: 421,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof HTTP_STATUS_BY_REASON;

/** Thrown anywhere under a route; the server answers with it and keeps the connection. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(reason: StatusReason, message: string, details?: StatusDetails) {
    super(message);
    this.name = "StatusError";
    this.status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code: HTTP_STATUS_BY_REASON[reason],
    };
  }
}

export function isStatus(value: unknown): value is Status {
  if (typeof value !== "object" || value === null) return false;
  const { kind, message, reason } = value as Partial<Record<string, unknown>>;
  return kind === "Status" && typeof message === "string" && typeof reason === "string";
}

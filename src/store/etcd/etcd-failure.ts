import { status } from "@grpc/grpc-js";
import { WeftError } from "../../lib/weft-error.ts";

/** A call that failed at one member: the gRPC status and etcd's sentence. */
export interface MemberFailure {
  readonly endpoint: string;
  readonly code: status;
  readonly text: string;
  /** The request never left this process, so it changed nothing. */
  readonly unsent: boolean;
  /** What its operator can do, where that is known. */
  readonly hint?: string;
}

/**
 * What a failed call means:
 * - an error: etcd refused, and any member would; nothing was changed;
 * - "token": the session of the user is over: authenticate again and repeat; nothing was changed;
 * - "busy": this member refused before doing anything; another one, or a later try, may not;
 * - "unknown": the member did not answer, so the request may have been carried out.
 */
export type FailureMeaning = WeftError | "token" | "busy" | "unknown";

export function meaningOf(failure: MemberFailure): FailureMeaning {
  const { code, text } = failure;
  if (failure.unsent) return "busy";
  if (/invalid auth token|user name is empty|revision of auth store is old/i.test(text)) return "token";
  switch (code) {
    case status.RESOURCE_EXHAUSTED:
      if (/space exceeded/i.test(text)) return fullError(failure);
      return /larger than max|too large/i.test(text) ? tooLargeError(failure) : "busy";
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
      return deniedError(failure);
    case status.INVALID_ARGUMENT:
    case status.FAILED_PRECONDITION:
      if (/too large/i.test(text)) return tooLargeError(failure);
      return /auth/i.test(text) ? deniedError(failure) : refusedError(failure);
    case status.OUT_OF_RANGE:
      return /compacted/i.test(text) ? compactedError(failure) : refusedError(failure);
    case status.NOT_FOUND:
    case status.ALREADY_EXISTS:
    case status.UNIMPLEMENTED:
      return refusedError(failure);
    default:
      return "unknown";
  }
}

/** One failure for each endpoint: the last one, unless an earlier one says what to do about it. */
export function noteFailure(tried: Map<string, MemberFailure>, failure: MemberFailure): void {
  const isKept = tried.get(failure.endpoint)?.hint !== undefined && failure.hint === undefined;
  if (!isKept) tried.set(failure.endpoint, failure);
}

export function unreachableError(tried: ReadonlyMap<string, MemberFailure>): WeftError {
  const failures = [...tried.values()];
  const list = failures.map(({ endpoint, text }) => `${endpoint} (${text})`).join(", ");
  const hints = new Set(failures.flatMap(({ hint }) => hint ?? []));
  return new WeftError("WEFT_STORE_UNREACHABLE", `Cannot reach etcd: tried ${list}; expected an answer of one member`, {
    hint:
      hints.size > 0
        ? [...hints].join(". ")
        : "More than half of etcd's members must run and reach each other: look at `etcdctl endpoint status --cluster`. Proxies keep their configuration meanwhile",
    details: { tried: Object.fromEntries(failures.map(({ endpoint, text }) => [endpoint, text])) },
  });
}

/** Of one call: the client does not know what the change was about. */
export function unansweredError(failure: MemberFailure): WeftError {
  return new WeftError(
    "WEFT_STORE_UNKNOWN_OUTCOME",
    `Cannot tell whether etcd made a change: found no answer of ${failure.endpoint} (${failure.text}); expected one`,
    { hint: "Read what is there now, and repeat the change if it is missing", details: { endpoint: failure.endpoint } },
  );
}

export function closedError(): WeftError {
  return new WeftError("WEFT_STORE_CLOSED", "Cannot use the store: found it closed; expected an open one");
}

/** etcd no longer keeps what the caller asks for. `oldest` 0 = unknown. */
export function tooOldError(found: string, oldest: number): WeftError {
  return new WeftError("WEFT_STORE_TOO_OLD", `Cannot watch: found ${found}; expected a version that is still kept`, {
    hint: "List again and watch from the version of the list",
    details: oldest === 0 ? {} : { oldest: String(oldest) },
  });
}

function compactedError(failure: MemberFailure): WeftError {
  return new WeftError(
    "WEFT_STORE_TOO_OLD",
    "Cannot read an old version: found it compacted away; expected one that etcd still keeps",
    { hint: "List again and go on from the version of the list", details: { endpoint: failure.endpoint } },
  );
}

function fullError(failure: MemberFailure): WeftError {
  return new WeftError(
    "WEFT_STORE_FULL",
    `Cannot write to etcd: found its space quota used up at ${failure.endpoint}; expected room`,
    {
      hint: "Compact and defragment it, then disarm the alarm: `etcdctl compact`, `etcdctl defrag --cluster`, `etcdctl alarm disarm`; see docs/store.md. Reads go on meanwhile",
      details: { endpoint: failure.endpoint },
    },
  );
}

function tooLargeError(failure: MemberFailure): WeftError {
  return new WeftError(
    "WEFT_STORE_TOO_LARGE",
    `Cannot write to etcd: found a request that ${failure.endpoint} calls too large; expected at most its --max-request-bytes`,
    {
      hint: "Make the resource smaller, or raise --max-request-bytes of every member",
      details: { text: failure.text },
    },
  );
}

export function deniedError(failure: MemberFailure): WeftError {
  return new WeftError(
    "WEFT_STORE_DENIED",
    `Cannot use etcd at ${failure.endpoint}: found "${failure.text}"; expected to be let in`,
    {
      hint: "Check the user, the password, the client's certificate, and that the user's role may read and write /weft/",
    },
  );
}

function refusedError(failure: MemberFailure): WeftError {
  return new WeftError(
    "WEFT_STORE_ETCD",
    `Cannot use etcd at ${failure.endpoint}: found "${failure.text}"; expected it to carry out the request`,
    { details: { grpcCode: failure.code, text: failure.text } },
  );
}

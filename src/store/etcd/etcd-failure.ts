import { status } from "@grpc/grpc-js";
import { WeftError } from "../../lib/weft-error.ts";

/** A call that failed at one member: the gRPC status and etcd's sentence. */
export interface MemberFailure {
  readonly endpoint: string;
  readonly code: status;
  readonly text: string;
  /** The request never left this process, so it changed nothing. */
  readonly unsent: boolean;
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

export function unreachableError(tried: ReadonlyMap<string, string>): WeftError {
  const list = [...tried].map(([endpoint, text]) => `${endpoint} (${shorten(text)})`).join(", ");
  const texts = [...tried.values()];
  const known = HANDSHAKE_FAILURES.find(({ pattern }) => texts.some((text) => pattern.test(text)));
  return new WeftError("WEFT_STORE_UNREACHABLE", `Cannot reach etcd: tried ${list}; expected an answer of one member`, {
    hint: known?.hint ?? NO_ANSWER_HINT,
    details: { tried: Object.fromEntries(tried) },
  });
}

const NO_ANSWER_HINT =
  "More than half of etcd's members must run and reach each other: look at `etcdctl endpoint status --cluster`. Proxies keep their configuration meanwhile";

/** What OpenSSL says of either side's certificate, and what to do about it. */
const HANDSHAKE_FAILURES: readonly { readonly pattern: RegExp; readonly hint: string }[] = [
  {
    pattern: /ALTNAME_INVALID/,
    hint: "Name the member as its certificate does (etcd's --cert-file), or give it a certificate with this name or address",
  },
  {
    pattern: /unable to (verify|get)|self[- ]signed/i,
    hint: "The member's certificate is not signed by the CA that weft was given, or by none of the system's: name its CA (--etcd-ca; `ca` of `store` in weft.yaml)",
  },
  {
    pattern: /certificate (has expired|is not yet valid)/i,
    hint: "The member's certificate is not valid now: renew it, or look at the clocks of both hosts",
  },
  {
    pattern: /alert (bad certificate|certificate|unknown ca|unsupported certificate|handshake failure)/i,
    hint: "The member refuses weft's certificate: it wants one (--etcd-cert and --etcd-key; `certificate` and `key` of `store` in weft.yaml) of the CA in its --trusted-ca-file, valid now",
  },
  {
    pattern: /wrong version number|packet length too long|before secure TLS connection/i,
    hint: "The member does not seem to speak TLS there: use etcd:// instead of etcds://, or its TLS port",
  },
];

/** gRPC's account of a connection in so many words as a person needs. */
function shorten(text: string): string {
  const cause = /Last error: (.*?)\s*(\([\d-]+T[\d:.]+Z\))?\.? Resolution note:/s.exec(text)?.[1] ?? text;
  const alert = /:(?:ssl\w*|tls\w*) alert ([a-z ]+):.*SSL alert number (\d+)/s.exec(cause);
  if (alert !== null) return `TLS alert ${alert[2]}, ${alert[1]}`;
  return cause.replace(/^Error(?: \[\w+\])?: /, "").trim();
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

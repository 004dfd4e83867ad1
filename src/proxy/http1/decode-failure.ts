import type { DecodeFailure } from "./decoder-contract.ts";

const table: DecodeFailure[] = [];

/** Everything a decoder can refuse, as constants: failing allocates nothing, and the documentation lists this table. */
export const DECODE_FAILURES: readonly DecodeFailure[] = table;

export const BAD_REQUEST_LINE: DecodeFailure = define(
  400,
  "bad_request_line",
  "The request line is not METHOD SP TARGET SP HTTP/1.1",
);
export const BAD_METHOD: DecodeFailure = define(
  400,
  "bad_method",
  "The method is empty or has a byte that no method may have",
);
export const METHOD_TOO_LONG: DecodeFailure = define(501, "method_too_long", "The method is longer than 32 bytes");
export const BAD_TARGET: DecodeFailure = define(
  400,
  "bad_target",
  "The request target has a form or a byte that is not allowed",
);
export const TARGET_TOO_LONG: DecodeFailure = define(
  414,
  "target_too_long",
  "The request target is longer than the limit",
);
export const BAD_SCHEME: DecodeFailure = define(
  400,
  "bad_scheme",
  "The absolute request target does not start with http://",
);
export const BAD_AUTHORITY: DecodeFailure = define(
  400,
  "bad_authority",
  "The authority in the request target is not host or host:port",
);
export const BAD_VERSION: DecodeFailure = define(505, "bad_version", "The HTTP version is not 1.0 or 1.1");
export const BAD_STATUS_LINE: DecodeFailure = define(
  400,
  "bad_status_line",
  "The status line is not HTTP/1.1 SP STATUS SP REASON",
);
export const BARE_LF: DecodeFailure = define(400, "bare_lf", "A line ends with LF alone; lines end with CRLF");
export const BARE_CR: DecodeFailure = define(400, "bare_cr", "A CR is not followed by LF");
export const LEADING_SPACE: DecodeFailure = define(
  400,
  "leading_space",
  "White space or more than one blank line precedes the message",
);
export const OBS_FOLD: DecodeFailure = define(
  400,
  "obs_fold",
  "A field line starts with white space (line folding is not allowed)",
);
export const BAD_FIELD_NAME: DecodeFailure = define(
  400,
  "bad_field_name",
  "A field name is empty or has a byte that no field name may have",
);
export const SPACE_BEFORE_COLON: DecodeFailure = define(
  400,
  "space_before_colon",
  "White space stands between a field name and its colon",
);
export const BAD_FIELD_VALUE: DecodeFailure = define(400, "bad_field_value", "A field value has a control character");
export const TOO_MANY_FIELDS: DecodeFailure = define(
  431,
  "too_many_fields",
  "The message has more fields than the limit",
);
export const HEAD_TOO_LARGE: DecodeFailure = define(431, "head_too_large", "The message head is larger than the limit");
export const MISSING_HOST: DecodeFailure = define(400, "missing_host", "An HTTP/1.1 request has no Host field");
export const DUPLICATE_HOST: DecodeFailure = define(400, "duplicate_host", "The request has more than one Host field");
export const BAD_HOST: DecodeFailure = define(400, "bad_host", "The Host field is not host or host:port");
export const BAD_CONTENT_LENGTH: DecodeFailure = define(
  400,
  "bad_content_length",
  "Content-Length is not a decimal number below 2^53",
);
export const DUPLICATE_CONTENT_LENGTH: DecodeFailure = define(
  400,
  "duplicate_content_length",
  "The message has more than one Content-Length",
);
export const BAD_TRANSFER_ENCODING: DecodeFailure = define(
  400,
  "bad_transfer_encoding",
  "Transfer-Encoding does not end in exactly one chunked",
);
export const UNKNOWN_TRANSFER_ENCODING: DecodeFailure = define(
  501,
  "unknown_transfer_encoding",
  "A transfer coding other than chunked is not supported",
);
export const TE_IN_HTTP10: DecodeFailure = define(400, "te_in_http10", "An HTTP/1.0 message has Transfer-Encoding");
export const CL_TE: DecodeFailure = define(400, "cl_te", "The message has both Content-Length and Transfer-Encoding");
export const BAD_CONNECTION: DecodeFailure = define(
  400,
  "bad_connection",
  "Connection is not a list of at most 16 tokens",
);
export const PROTECTED_NOMINATION: DecodeFailure = define(
  400,
  "protected_nomination",
  "Connection names a field that must reach the far end",
);
export const BAD_EXPECTATION: DecodeFailure = define(417, "bad_expectation", "Expect is not 100-continue");
export const BAD_CHUNK_SIZE: DecodeFailure = define(
  400,
  "bad_chunk_size",
  "A chunk size is not a hexadecimal number below 2^53 ended by CRLF",
);
export const BAD_CHUNK_EXTENSION: DecodeFailure = define(
  400,
  "bad_chunk_extension",
  "Chunk extensions have a control character or are longer than the limit",
);
export const BAD_CHUNK_END: DecodeFailure = define(400, "bad_chunk_end", "Chunk data is not followed by CRLF");
export const FORBIDDEN_TRAILER: DecodeFailure = define(
  400,
  "forbidden_trailer",
  "A trailer field would change the framing or routing of the message",
);
export const TRAILERS_TOO_LARGE: DecodeFailure = define(
  431,
  "trailers_too_large",
  "The trailer section is larger than the limit",
);
export const UNSOLICITED: DecodeFailure = define(
  400,
  "unsolicited",
  "Bytes came on a connection on which no answer was due",
);
export const UNASKED_UPGRADE: DecodeFailure = define(
  400,
  "unasked_upgrade",
  "101 Switching Protocols came without an upgrade having been asked for",
);
export const TOO_MANY_INTERIM: DecodeFailure = define(
  400,
  "too_many_interim",
  "More than 16 interim responses came before the final one",
);
export const PENDING_OVERFLOW: DecodeFailure = define(
  400,
  "pending_overflow",
  "More bytes came than are kept while the message before them is served",
);
export const TRUNCATED: DecodeFailure = define(400, "truncated", "The connection ended before the message did");
export const ENCODED_SLASH: DecodeFailure = define(
  400,
  "encoded_slash",
  "The path has a backslash or a percent-encoded slash or backslash",
);
export const BAD_ESCAPE: DecodeFailure = define(
  400,
  "bad_escape",
  "The path has a percent sign without two hexadecimal digits, or %00",
);
export const DOT_PARAMETER: DecodeFailure = define(
  400,
  "dot_parameter",
  "The path has a dot segment with parameters, such as /..;/",
);

function define(status: DecodeFailure["status"], detail: string, message: string): DecodeFailure {
  const failure = Object.freeze({ status, detail, message });
  table.push(failure);
  return failure;
}

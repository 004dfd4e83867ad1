import type { DecodeFailure } from "../../http1/decoder-contract.ts";

const table: DecodeFailure[] = [];

/** What is wrong with a head in HTTP/2 only; heads are also refused for the reasons of `http1/decode-failure.ts`. */
export const HEAD_FAILURES: readonly DecodeFailure[] = table;

export const BAD_COMPRESSION: DecodeFailure = define(
  "h2_compression",
  "A header block is not what HPACK allows, so the state of the connection is lost",
);
export const BAD_TABLE_SIZE: DecodeFailure = define(
  "h2_table_size",
  "A header block sets a dynamic table size that is larger than the limit, or not at its start",
);
export const CONNECTION_FIELD: DecodeFailure = define(
  "h2_connection_field",
  "The head has a field that belongs to one connection, such as Connection or Transfer-Encoding",
);
export const BAD_TE: DecodeFailure = define("h2_te", "TE is something other than trailers, or in no request head");
export const UNKNOWN_PSEUDO: DecodeFailure = define(
  "h2_unknown_pseudo",
  "The head has a pseudo-field that its kind of message does not have",
);
export const DUPLICATE_PSEUDO: DecodeFailure = define("h2_duplicate_pseudo", "A pseudo-field is there twice");
export const LATE_PSEUDO: DecodeFailure = define("h2_late_pseudo", "A pseudo-field stands behind an ordinary field");
export const MISSING_PSEUDO: DecodeFailure = define(
  "h2_missing_pseudo",
  "A pseudo-field that the message must have is missing",
);
export const EXTRA_PSEUDO: DecodeFailure = define(
  "h2_extra_pseudo",
  "CONNECT has :scheme or :path, or another method has :protocol",
);
export const BAD_SCHEME: DecodeFailure = define("h2_bad_scheme", "The scheme is not http or https");
export const BAD_PROTOCOL: DecodeFailure = define(
  "h2_bad_protocol",
  "The protocol of a CONNECT is no token, or is h2c",
);
export const BAD_STATUS: DecodeFailure = define(
  "h2_bad_status",
  "The status is not a number from 100 to 599, or is 101",
);
export const MISSING_AUTHORITY: DecodeFailure = define(
  "h2_missing_authority",
  "The request has an empty :authority or Host, or is a CONNECT without :authority",
);
export const HOST_MISMATCH: DecodeFailure = define("h2_host_mismatch", "Host is something other than :authority");
export const CONNECT_LENGTH: DecodeFailure = define("h2_connect_length", "CONNECT has Content-Length");
export const LENGTH_WITHOUT_BODY: DecodeFailure = define(
  "h2_length_without_body",
  "Content-Length announces a body and the stream ends without one",
);
export const UNENDED_TRAILERS: DecodeFailure = define(
  "h2_unended_trailers",
  "A head behind the body does not end the stream",
);
export const ENDED_INTERIM: DecodeFailure = define("h2_ended_interim", "An interim response ends the stream");

function define(detail: string, message: string): DecodeFailure {
  const failure = Object.freeze({ status: 400, detail, message } as const);
  table.push(failure);
  return failure;
}

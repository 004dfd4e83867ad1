/**
 * One message head as byte spans: what every codec decodes into and encodes from, and what routing, access control and
 * filters read. A head belongs to its connection and is reused for the next message; it stays as it is until the exchange
 * that reads it has ended.
 *
 * Spans are offsets into `bytes`. For HTTP/2 the same lines are written into a buffer first, so nothing above the codecs
 * knows which protocol a message came in.
 */
export const MAX_FIELDS = 128;
/** Fields a new head has room for; `grow` makes more. */
const FIRST_FIELDS = 32;

// Methods the proxy treats specially; any other token is METHOD_OTHER and read from its span.
export const METHOD_OTHER = 0;
export const METHOD_GET = 1;
export const METHOD_HEAD = 2;
export const METHOD_POST = 3;
export const METHOD_PUT = 4;
export const METHOD_DELETE = 5;
export const METHOD_OPTIONS = 6;
export const METHOD_PATCH = 7;
export const METHOD_TRACE = 8;
export const METHOD_CONNECT = 9;

// How a body is delimited on the wire it came from.
export const BODY_NONE = 0;
export const BODY_LENGTH = 1;
export const BODY_CHUNKED = 2;
/** Responses only: until the connection closes. */
export const BODY_UNTIL_CLOSE = 3;
/** Bytes of another protocol, both ways, each until its sender ends: after 101 and after a successful CONNECT. */
export const BODY_TUNNEL = 4;

// Field names the proxy knows. A field with another name has FIELD_OTHER.
export const FIELD_OTHER = 0;
export const FIELD_HOST = 1;
export const FIELD_CONTENT_LENGTH = 2;
export const FIELD_TRANSFER_ENCODING = 3;
export const FIELD_CONNECTION = 4;
export const FIELD_KEEP_ALIVE = 5;
export const FIELD_PROXY_CONNECTION = 6;
export const FIELD_TE = 7;
export const FIELD_UPGRADE = 8;
export const FIELD_EXPECT = 9;
export const FIELD_TRAILER = 10;
export const FIELD_B3_TRACE_ID = 11;
export const FIELD_B3_SPAN_ID = 12;
export const FIELD_B3_PARENT_SPAN_ID = 13;
export const FIELD_B3_SAMPLED = 14;
export const FIELD_B3_FLAGS = 15;
export const FIELD_B3 = 16;
export const FIELD_REQUEST_ID = 17; // x-request-id
export const FIELD_FORWARDED_FOR = 18; // x-forwarded-for
export const FIELD_FORWARDED_PROTO = 19;
export const FIELD_FORWARDED_HOST = 20;
export const FIELD_WEFT_FAILURE = 21; // x-weft-failure
export const FIELD_TRACEPARENT = 22;
export const FIELD_GRPC_TIMEOUT = 23;
export const FIELD_GRPC_STATUS = 24;
export const FIELD_CONTENT_TYPE = 25;
export const FIELD_RETRY_AFTER = 26;
export const FIELD_DATE = 27;
export const FIELD_SERVER = 28;
export const FIELD_PROXY_AUTHORIZATION = 29;
export const FIELD_WEBSOCKET_KEY = 30; // sec-websocket-key
export const FIELD_WEBSOCKET_ACCEPT = 31;
export const FIELD_LOAD_METRICS = 32; // endpoint-load-metrics (ORCA)
export const FIELD_REQUEST_TIMEOUT = 33; // x-request-timeout-ms
export const FIELD_IDEMPOTENCY_KEY = 34;
/** Set by `drop`: encoders skip the field. Also set by decoders for what `Connection` nominates. */
export const FIELD_DROPPED = 255;

/** Whole field lines made by weft itself, each `name: value\r\n`, the name in lower case. Frozen once made. */
export interface FieldLines {
  readonly bytes: Uint8Array;
  /** Four per field, as in `Head.spans`. */
  readonly spans: Int32Array;
  readonly count: number;
}

export class Head {
  /** What the spans point into. */
  bytes: Uint8Array = EMPTY;
  /** Just after the blank line that ends the head; every span ends before it. */
  end: number = 0;
  /** Requests: METHOD_*; responses: 0. */
  method: number = 0;
  methodStart: number = 0;
  methodEnd: number = 0;
  /** Request target in origin form: path and query, also when it came in absolute form. `*` for OPTIONS *. */
  targetStart: number = 0;
  targetEnd: number = 0;
  /** End of the path inside the target (start of `?`, or targetEnd). */
  pathEnd: number = 0;
  /** The authority: from an absolute-form target, else from Host. Both 0 when absent (HTTP/1.0). */
  authorityStart: number = 0;
  authorityEnd: number = 0;
  /** True when the target came in absolute form (a client that knows it speaks to a proxy). */
  absoluteForm: boolean = false;
  /** HTTP minor version: 0 or 1. */
  minorVersion: number = 1;
  /** Responses: status code; requests: 0. */
  status: number = 0;
  reasonStart: number = 0;
  reasonEnd: number = 0;
  /** Number of fields. */
  count: number = 0;
  /** Four per field: nameStart, nameEnd, valueStart, valueEnd (value without surrounding white space). */
  spans: Int32Array = new Int32Array(4 * FIRST_FIELDS);
  /** FIELD_* per field. */
  ids: Uint8Array = new Uint8Array(FIRST_FIELDS);
  bodyKind: number = BODY_NONE;
  /** For BODY_LENGTH; 0 otherwise. */
  contentLength: number = 0;
  /** Responses that have no body but say how long it would be (to HEAD, 304); -1 when they do not say. */
  declaredLength: number = -1;
  /** The connection may carry another message after this one. */
  keepAlive: boolean = true;
  /** Trailer fields may follow the body although its length is known (HTTP/2). */
  mayHaveTrailers: boolean = false;
  /** Request has `Expect: 100-continue`. */
  expectContinue: boolean = false;
  /**
   * Request asks for an upgrade other than h2c (which is passed over), or is CONNECT. An upgrade request has the `upgrade`
   * field with the protocol's name and no body; bytes behind it belong to the new protocol once the answer is 101 with
   * BODY_TUNNEL, and to nothing before. Encoders of HTTP/1.1 write both fields; HTTP/2 translates to RFC 8441 and back.
   */
  upgrade: boolean = false;
  /** Lines to add when encoding; `additionCount` of them are valid. */
  additions: FieldLines[] = [NO_LINES, NO_LINES, NO_LINES, NO_LINES, NO_LINES, NO_LINES, NO_LINES, NO_LINES];
  additionCount: number = 0;

  /** Encoders skip field `index` from now on. */
  drop(index: number): void {
    this.ids[index] = FIELD_DROPPED;
  }

  /** Adds lines behind the fields. At most eight times per head. */
  add(lines: FieldLines): void {
    this.additions[this.additionCount] = lines;
    this.additionCount += 1;
  }

  /** Makes room for twice as many fields, at most MAX_FIELDS; `spans` and `ids` are other arrays afterwards. */
  grow(): void {
    const fields = Math.min(MAX_FIELDS, this.ids.length * 2);
    const spans = new Int32Array(4 * fields);
    const ids = new Uint8Array(fields);
    spans.set(this.spans);
    ids.set(this.ids);
    this.spans = spans;
    this.ids = ids;
  }

  /** Index of the first field with this id, or -1. */
  find(id: number): number {
    for (let index = 0; index < this.count; index += 1) {
      if (this.ids[index] === id) return index;
    }
    return -1;
  }

  /**
   * Puts another path in front of the query; it must not be longer than the present one. The head moves to bytes of its
   * own (allocates), so what the codec handed out stays as it was.
   */
  replacePath(path: Uint8Array): void {
    const start = this.pathEnd - path.length;
    const own = copyBytes(this.bytes, this.end);
    own.set(path, start);
    this.bytes = own;
    this.targetStart = start;
  }

  /** A copy with bytes of its own, for what must outlive the codec's next message. */
  clone(): Head {
    const copy = new Head();
    Object.assign(copy, this);
    copy.bytes = copyBytes(this.bytes, this.bytes.length);
    copy.spans = this.spans.slice();
    copy.ids = this.ids.slice();
    copy.additions = this.additions.slice();
    return copy;
  }

  /** The value of field `index` as Latin-1 text. Allocates: not for the hot path without need. */
  valueText(index: number): string {
    return latin1(this.bytes, this.spans[index * 4 + 2] ?? 0, this.spans[index * 4 + 3] ?? 0);
  }

  nameText(index: number): string {
    return latin1(this.bytes, this.spans[index * 4] ?? 0, this.spans[index * 4 + 1] ?? 0);
  }

  methodText(): string {
    return latin1(this.bytes, this.methodStart, this.methodEnd);
  }

  /** Path without the query. */
  pathText(): string {
    return latin1(this.bytes, this.targetStart, this.pathEnd);
  }

  authorityText(): string {
    return latin1(this.bytes, this.authorityStart, this.authorityEnd);
  }

  /** Ready for the next message. */
  reset(): void {
    this.bytes = EMPTY;
    this.recycle();
  }

  /** As `reset`, but `bytes` stays: for heads that are decoded into bytes of their own. */
  recycle(): void {
    this.end = 0;
    this.method = 0;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.pathEnd = 0;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.absoluteForm = false;
    this.minorVersion = 1;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.count = 0;
    this.bodyKind = BODY_NONE;
    this.contentLength = 0;
    this.declaredLength = -1;
    this.keepAlive = true;
    this.mayHaveTrailers = false;
    this.expectContinue = false;
    this.upgrade = false;
    this.additionCount = 0;
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);
export const NO_LINES: FieldLines = { bytes: EMPTY, spans: new Int32Array(0), count: 0 };

/** The first `length` bytes, in memory of their own: `slice` of a Buffer would be a view. */
function copyBytes(bytes: Uint8Array, length: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, 0, length);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}

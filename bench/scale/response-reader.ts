/**
 * Reads of a DeltaDiscoveryResponse what a simulated proxy needs: names and versions, never the content of a resource. A
 * thousand proxies in one process must cost less than the control plane that they measure.
 */
export interface ReadResponse {
  typeUrl: string;
  nonce: string;
  /** Names and versions in turn. */
  readonly upserts: string[];
  /** Of clusters: those that get their endpoints by EDS. */
  readonly discovered: string[];
  readonly removals: string[];
}

const LENGTH_DELIMITED = 2;
const TYPE_TAG = (2 << 3) | 0;
const TYPE_EDS = 3;

export function readResponse(bytes: Uint8Array): ReadResponse {
  const response: ReadResponse = { typeUrl: "", nonce: "", upserts: [], discovered: [], removals: [] };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  readFields(buffer, { at: 0, end: buffer.length }, (field, at, end) => {
    if (field === 2) readResource(buffer, { at, end }, response);
    else if (field === 4) response.typeUrl = buffer.toString("latin1", at, end);
    else if (field === 5) response.nonce = buffer.toString("latin1", at, end);
    else if (field === 6) response.removals.push(buffer.toString("latin1", at, end));
  });
  return response;
}

interface Span {
  readonly at: number;
  readonly end: number;
}

function readResource(buffer: Buffer, span: Span, { upserts, discovered }: ReadResponse): void {
  let name = "";
  let version = "";
  let content: Span = { at: 0, end: 0 };
  readFields(buffer, span, (field, at, end) => {
    if (field === 3) name = buffer.toString("latin1", at, end);
    else if (field === 1) version = buffer.toString("latin1", at, end);
    else if (field === 2) content = { at, end };
  });
  upserts.push(name, version);
  readFields(buffer, content, (field, at, end) => {
    // The value of the Any, a Cluster if this is of clusters: its name comes first, then its type.
    const type = field === 2 ? at + 2 + (buffer[at + 1] ?? 0) : end;
    if (type + 1 < end && buffer[type] === TYPE_TAG && buffer[type + 1] === TYPE_EDS) discovered.push(name);
  });
}

/** All fields of a response and of its resources that the control plane writes have a length. */
function readFields(buffer: Buffer, span: Span, onField: (field: number, at: number, end: number) => void): void {
  let { at } = span;
  while (at < span.end) {
    const tag = buffer[at] ?? 0;
    at += 1;
    if ((tag & 7) !== LENGTH_DELIMITED) throw new Error(`Found wire type ${tag & 7} at byte ${at}; expected a length`);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = buffer[at] ?? 0;
      at += 1;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    onField(tag >> 3, at, at + length);
    at += length;
  }
}

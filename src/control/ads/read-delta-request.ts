import { envoy, google } from "#gen/protos.js";

/** A DeltaDiscoveryRequest as the server needs it. */
export type DeltaRequest = Omit<envoy.service.discovery.v3.DeltaDiscoveryRequest, "initialResourceVersions"> & {
  readonly initialResourceVersions?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | null;
};

const { Node } = envoy.config.core.v3;
const { Status } = google.rpc;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/**
 * Decodes a DeltaDiscoveryRequest. By hand, because a proxy that comes back names all that it holds: a thousand of them
 * name millions of versions at once, and an object with a thousand keys costs several times as much as a map. Fields that
 * the server does not know are skipped. Throws RangeError when the bytes are not a message.
 */
export function readDeltaRequest(bytes: Buffer): DeltaRequest {
  const versions = new Map<string, string>();
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  let node: envoy.config.core.v3.Node | null = null;
  let errorDetail: google.rpc.Status | null = null;
  let typeUrl = "";
  let responseNonce = "";
  const cursor = new Cursor(bytes, 0, bytes.length);
  while (cursor.next()) {
    const { start, end } = cursor;
    switch (cursor.field) {
      case 1:
        node = Node.decode(bytes.subarray(start, end));
        break;
      case 2:
        typeUrl = cursor.text();
        break;
      case 3:
        subscribe.push(cursor.text());
        break;
      case 4:
        unsubscribe.push(cursor.text());
        break;
      case 5:
        readVersion(bytes, cursor, versions);
        break;
      case 6:
        responseNonce = cursor.text();
        break;
      case 7:
        errorDetail = Status.decode(bytes.subarray(start, end));
        break;
      default:
        break;
    }
  }
  return {
    node,
    typeUrl,
    resourceNamesSubscribe: subscribe,
    resourceNamesUnsubscribe: unsubscribe,
    initialResourceVersions: versions,
    responseNonce,
    errorDetail,
  };
}

function readVersion(bytes: Buffer, { start, end }: Cursor, into: Map<string, string>): void {
  let name = "";
  let version = "";
  const entry = new Cursor(bytes, start, end);
  while (entry.next()) {
    if (entry.field === 1) name = entry.text();
    else if (entry.field === 2) version = entry.text();
  }
  into.set(name, version);
}

/** Goes from field to field of a message; those without a length are passed over. */
class Cursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;
  field: number = 0;
  start: number = 0;
  end: number = 0;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** False at the end. */
  next(): boolean {
    while (this.#at < this.#end) {
      const tag = this.#varint();
      switch (tag & 7) {
        case VARINT:
          this.#varint();
          break;
        case FIXED64:
          this.#at += 8;
          break;
        case FIXED32:
          this.#at += 4;
          break;
        case LENGTH_DELIMITED: {
          const length = this.#varint();
          this.field = tag >>> 3;
          this.start = this.#at;
          this.end = this.#at + length;
          if (this.end > this.#end) throw truncated(this.#at);
          this.#at = this.end;
          return true;
        }
        default:
          throw new RangeError(`Cannot read a field of wire type ${tag & 7} at byte ${this.#at}`);
      }
    }
    if (this.#at > this.#end) throw truncated(this.#at);
    return false;
  }

  text(): string {
    return this.#bytes.toString("utf8", this.start, this.end);
  }

  /** What does not fit 32 bits is no tag, and no length either. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) throw truncated(this.#at);
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      if (shift < 28) value += (byte & 0x7f) * 2 ** shift;
      else if ((byte & 0x7f) !== 0) value = Number.MAX_SAFE_INTEGER;
      if (byte < 0x80) return value;
    }
    throw new RangeError(`Cannot read a number of more than ten bytes at byte ${this.#at}`);
  }
}

function truncated(at: number): RangeError {
  return new RangeError(`The message ends within the field at byte ${at}`);
}

// A seeded generator of what a client sends on an HTTP/2 connection: mostly well-formed, with every kind of fault mixed in.
import type { Random } from "../../src/random/random.ts";
import {
  buildBlock,
  buildClientStart,
  buildContinuation,
  buildData,
  buildFrame,
  buildGoaway,
  buildHeaders,
  buildHeadersBlock,
  buildPing,
  buildPriority,
  buildReset,
  buildSettings,
  buildSettingsAck,
  buildWindowUpdate,
  type Field,
  requestFields,
} from "../../src/testing/http2-frames.ts";

const PATHS = ["/", "/a?b=c", "/a/../b", "//", "/%00", "a", "", "*", "/a b", "/a\r\nx: y"];
const FIELDS: readonly Field[] = [
  ["content-length", "5"],
  ["content-length", "0"],
  ["cookie", "a=b"],
  ["cookie", "c"],
  ["te", "trailers"],
  ["te", "gzip"],
  ["connection", "close"],
  ["transfer-encoding", "chunked"],
  ["host", "app"],
  ["host", "other"],
  ["x-large", "y".repeat(9_000)],
  ["X-Upper", "1"],
  ["x", "a\nb"],
  [":path", "/late"],
  ["expect", "100-continue"],
];

export interface GeneratedConnection {
  readonly bytes: Uint8Array;
  readonly frames: number;
}

/** `faults` of 100 frames are drawn from everything, the others follow the rules. Zero: mostly a well-behaved client. */
export function generateConnection(random: Random, count: number, faults: number): GeneratedConnection {
  const client = new GeneratedClient(random, faults);
  const parts: Uint8Array[] = [random.below(200) < faults ? random.bytes(30) : buildClientStart()];
  for (let index = 0; index < count; index += 1) parts.push(client.next());
  return { bytes: Buffer.concat(parts), frames: count };
}

class GeneratedClient {
  readonly #random: Random;
  readonly #faults: number;
  /** Streams whose request is not complete. */
  readonly #open: number[] = [];
  #last: number = -1;

  constructor(random: Random, faults: number) {
    this.#random = random;
    this.#faults = faults;
  }

  next(): Uint8Array {
    const random = this.#random;
    if (random.below(100) < this.#faults) return this.#mutate(this.#any());
    const turn = random.below(10);
    if (turn < 4 || this.#open.length === 0) return this.#request();
    const id = this.#open[random.below(this.#open.length)] ?? 1;
    if (turn < 7) return buildData(id, this.#body(), random.below(3) === 0 ? { padding: random.below(200) } : {});
    if (turn === 7) return this.#finish(id, buildData(id, this.#body(), { end: true }));
    if (turn === 8) return this.#finish(id, buildHeaders(id, [["x-sum", "1"]], { end: true }));
    return this.#control(id);
  }

  #request(): Uint8Array {
    const random = this.#random;
    this.#last += 2;
    const id = this.#last;
    const ends = random.below(2) === 0;
    if (!ends) this.#open.push(id);
    const fields = requestFields(`/${id}`, ends ? "GET" : "POST");
    if (random.below(4) > 0) return buildHeaders(id, fields, { end: ends });
    const block = buildBlock(fields);
    const cut = random.below(block.length);
    return Buffer.concat([
      buildHeadersBlock(id, block.subarray(0, cut), { end: ends, endHeaders: false }),
      buildContinuation(id, block.subarray(cut), true),
    ]);
  }

  #control(id: number): Uint8Array {
    const random = this.#random;
    switch (random.below(7)) {
      case 0:
        return buildWindowUpdate(random.below(2) === 0 ? 0 : id, 1 + random.below(10_000));
      case 1:
        return buildSettings([random.below(10), 20_000 + random.below(40_000)].with(0, 4) as [number, number]);
      case 2:
        return buildPing();
      case 3:
        return buildPriority(id, 0);
      case 4:
        return buildSettingsAck();
      case 5:
        return buildFrame(11 + random.below(200), random.below(256), id, random.bytes(random.below(50)));
      default:
        return this.#finish(id, buildReset(id, random.below(14)));
    }
  }

  /** A frame of any kind on any stream. */
  #any(): Buffer {
    const random = this.#random;
    const id = [0, 1, 2, Math.max(0, this.#last), this.#last + 2, random.below(40), 0x7fffffff][random.below(7)] ?? 0;
    const end = random.below(2) === 0;
    switch (random.below(12)) {
      case 0:
        return buildData(id, this.#body(), { end });
      case 1:
        return buildHeaders(id, requestFields(PATHS[random.below(PATHS.length)], "GET", this.#fields()), { end });
      case 2:
        return buildHeadersBlock(id, random.bytes(random.below(60)), { end, endHeaders: random.below(4) > 0 });
      case 3:
        return buildContinuation(id, random.bytes(random.below(20)), end);
      case 4:
        return buildWindowUpdate(id, random.below(3) === 0 ? 0 : random.below(0x7fffffff));
      case 5:
        return buildReset(id, random.below(20));
      case 6:
        return buildSettings([random.below(10), random.below(3) * 0x40000000 + random.below(9)]);
      case 7:
        return buildPing(random.below(256));
      case 8:
        return buildGoaway(id, random.below(20));
      case 9:
        return buildPriority(id, random.below(20));
      case 10:
        return buildFrame(random.below(12), random.below(256), id, random.bytes(random.below(40)));
      default:
        return Buffer.from(random.bytes(random.below(40)));
    }
  }

  #mutate(frame: Buffer): Buffer {
    const random = this.#random;
    if (frame.length === 0 || random.below(3) > 0) return frame;
    const at = random.below(frame.length);
    if (random.below(2) === 0) return frame.subarray(0, at);
    frame[at] = random.below(256);
    return frame;
  }

  #fields(): Field[] {
    return Array.from({ length: this.#random.below(4) }, () => FIELDS[this.#random.below(FIELDS.length)] ?? ["x", "y"]);
  }

  #body(): Uint8Array {
    return this.#random.bytes(this.#random.below(this.#random.below(5) === 0 ? 9_000 : 40));
  }

  #finish(id: number, frame: Uint8Array): Uint8Array {
    this.#open.splice(this.#open.indexOf(id), 1);
    return frame;
  }
}

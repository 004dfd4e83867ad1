import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect } from "node:http2";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { Head } from "../../src/proxy/head.ts";
import { HEAD_OK, HeadDecoder, KIND_REQUEST } from "../../src/proxy/http2/hpack/head-decoder.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";

const PREFACE_BYTES = 24;
const FRAME_HEADERS = 1;
const FRAME_SETTINGS = 4;
const FLAG_END_HEADERS = 4;
const FLAG_PRIORITY = 32;
const REQUESTS = 600;

/** A peer that says its settings and then only listens. */
class Listener extends Duplex {
  readonly #chunks: Buffer[] = [];
  readonly #settings: Buffer;

  constructor(tableBytes: number) {
    super();
    this.#settings = Buffer.from([
      0,
      0,
      6,
      FRAME_SETTINGS,
      0,
      0,
      0,
      0,
      0,
      0,
      1,
      0,
      0,
      tableBytes >> 8,
      tableBytes & 255,
    ]);
  }

  override _construct(done: () => void): void {
    this.push(this.#settings);
    done();
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    this.emit("heard");
    done();
  }

  headerBlocks(): Buffer[] {
    const bytes = Buffer.concat(this.#chunks).subarray(PREFACE_BYTES);
    const blocks: Buffer[] = [];
    for (let at = 0; at + 9 <= bytes.length;) {
      const length = bytes.readUIntBE(at, 3);
      const flags = bytes[at + 4] ?? 0;
      if (at + 9 + length > bytes.length) break;
      if (bytes[at + 3] === FRAME_HEADERS) {
        assert.ok((flags & FLAG_END_HEADERS) !== 0, "the heads of this test fit into a frame");
        blocks.push(bytes.subarray(at + 9 + ((flags & FLAG_PRIORITY) === 0 ? 0 : 5), at + 9 + length));
      }
      at += 9 + length;
    }
    return blocks;
  }
}

for (const tableBytes of [0, 300, 4_096, 16_384]) {
  test(
    `HeadDecoder reads what nghttp2 writes with a table of ${tableBytes} bytes`,
    { skip: "bun" in process.versions ? "node:http2 of Bun is not nghttp2" : false },
    async () => {
      const listener = new Listener(tableBytes);
      const session = connect("http://shop:80", { createConnection: () => listener });
      await once(session, "remoteSettings");
      const random = createSeededRandom(tableBytes);
      const sent: [path: string, fields: Record<string, string>][] = [];
      for (let index = 0; index < REQUESTS; index += 1) {
        const fields: Record<string, string> = {
          "user-agent": "nghttp2 by Node",
          "x-id": `${random.below(1_000_000)}`,
        };
        if (random.below(2) === 0) fields["x-word"] = "steady";
        if (random.below(3) === 0) fields["x-choice"] = `choice ${random.below(20)} of "many" <of them>`;
        if (random.below(9) === 0)
          fields["x-latin"] = Buffer.from(random.bytes(30).map((byte) => byte | 0xa0)).toString("latin1");
        if (random.below(9) === 0) fields[`x-${random.below(50)}`] = "v".repeat(random.below(900));
        const path = `/products/${random.below(40)}?q=${random.below(5)}`;
        sent.push([path, fields]);
        session.request({ ":path": path, ...fields }).on("error", () => {});
      }
      while (listener.headerBlocks().length < REQUESTS) await once(listener, "heard");
      session.destroy();
      const decoder = new HeadDecoder({
        maxHeadBytes: 65_536,
        maxTargetBytes: 8_192,
        maxFields: 100,
        maxTableBytes: tableBytes,
      });
      const head = new Head();
      for (const [index, block] of listener.headerBlocks().entries()) {
        const verdict = decoder.decode(KIND_REQUEST, block, 0, block.length, true, head);
        assert.equal(verdict, HEAD_OK, decoder.failure?.detail);
        const [path, fields] = sent[index] ?? assert.fail("a block too many");
        assert.equal(Buffer.from(head.bytes.subarray(head.targetStart, head.targetEnd)).toString(), path);
        const decoded = Array.from({ length: head.count }, (_, at) => [head.nameText(at), head.valueText(at)]);
        assert.deepEqual(Object.fromEntries(decoded), { host: "shop:80", ...fields });
      }
    },
  );
}

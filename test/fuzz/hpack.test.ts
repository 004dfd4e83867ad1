import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { BODY_LENGTH, BODY_NONE, Head } from "../../src/proxy/head.ts";
import {
  HEAD_COMPRESSION,
  HEAD_OK,
  HeadDecoder,
  type HeadLimits,
  KIND_REQUEST,
  KIND_RESPONSE,
} from "../../src/proxy/http2/hpack/head-decoder.ts";
import { HeadEncoder } from "../../src/proxy/http2/hpack/head-encoder.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { type GeneratedHead, generateHeads } from "./hpack-heads.ts";
import { ReferenceDecoder, type ReferenceField } from "./hpack-reference.ts";

const SEED = 20_261_123;
const LIMITS: HeadLimits = { maxHeadBytes: 65_536, maxTargetBytes: 8_192, maxFields: 100, maxTableBytes: 65_536 };

/** One connection: an encoder, and both decoders behind it. */
class Link {
  readonly encoder: HeadEncoder;
  readonly decoder: HeadDecoder = new HeadDecoder(LIMITS);
  readonly reference: ReferenceDecoder = new ReferenceDecoder(LIMITS.maxTableBytes);
  readonly head: Head = new Head();

  constructor(tableBytes: number) {
    this.encoder = new HeadEncoder({ tableBytes });
  }

  carry(generated: GeneratedHead): { readonly block: Uint8Array; readonly meant: readonly ReferenceField[] } {
    const { head, isRequest } = generated;
    const bound = HeadEncoder.bound(head);
    const out = Buffer.alloc(bound + 32, 0xaa);
    const end = isRequest ? this.encoder.encodeRequest(head, out, 16) : this.encoder.encodeResponse(head, out, 16);
    assert.ok(end <= 16 + bound, "bound() is an upper bound");
    assert.ok(out.subarray(end).every((byte) => byte === 0xaa) || end > bound, "nothing is written behind the end");
    const block = out.subarray(16, end);
    const kind = isRequest ? KIND_REQUEST : KIND_RESPONSE;
    const endStream = head.bodyKind === BODY_NONE || (head.bodyKind === BODY_LENGTH && head.contentLength === 0);
    const verdict = this.decoder.decode(kind, out, 16, end, endStream, this.head);
    assert.equal(verdict, HEAD_OK, this.decoder.failure?.detail);
    return { block, meant: this.reference.decode(block) };
  }
}

/** The values of each name, in order: all that a head means. */
function toValues(fields: Iterable<readonly [string, string]>): Record<string, string[]> {
  const values: Record<string, string[]> = {};
  for (const [name, value] of fields) (values[name] ??= []).push(value);
  return values;
}

function listFields(head: Head): [string, string][] {
  return Array.from({ length: head.count }, (_, index) => [head.nameText(index), head.valueText(index)]);
}

function expectedFields({ head, isRequest, fields }: GeneratedHead): [string, string][] {
  const all = fields.map(([name, value]): [string, string] => [name, value]);
  if (head.bodyKind === BODY_LENGTH) all.push(["content-length", String(head.contentLength)]);
  else if (!isRequest && head.declaredLength >= 0) all.push(["content-length", String(head.declaredLength)]);
  return all;
}

for (const tableBytes of [0, 100, 512, 4_096, 65_536]) {
  test(`HeadEncoder and HeadDecoder carry thousands of heads over a connection with a table of ${tableBytes} bytes`, () => {
    for (let round = 0; round < 4; round += 1) {
      const random = createSeededRandom(SEED + round);
      const link = new Link(tableBytes);
      if (tableBytes > 4_096) link.encoder.setPeerTableBytes(tableBytes);
      for (const generated of generateHeads(SEED * 7 + tableBytes + round, 1_500)) {
        if (random.below(200) === 0) link.encoder.setPeerTableBytes(random.below(tableBytes + 1));
        if (random.below(200) === 0) link.encoder.setPeerTableBytes(tableBytes);
        const { head, isRequest } = generated;
        const { meant } = link.carry(generated);
        const expected = toValues(expectedFields(generated));
        const pseudo = meant.filter(([name]) => name.startsWith(":"));
        assert.deepEqual(toValues(meant.filter(([name]) => !name.startsWith(":"))), expected);
        assert.ok(meant.slice(0, pseudo.length).every(([name]) => name.startsWith(":")));
        const decoded = listFields(link.head);
        if (isRequest) {
          const target = Buffer.from(head.bytes.subarray(head.targetStart, head.targetEnd)).toString("latin1");
          assert.deepEqual(toValues(pseudo), {
            ":method": [head.methodText()],
            ":scheme": ["http"],
            ":authority": [head.authorityText()],
            ":path": [target],
          });
          assert.deepEqual(decoded.shift(), ["host", head.authorityText()]);
          assert.equal(link.head.methodText(), head.methodText());
          assert.equal(link.head.method, head.method);
          assert.equal(link.head.pathText(), head.pathText());
          assert.equal(link.head.authorityText(), head.authorityText());
        } else {
          assert.deepEqual(pseudo, [[":status", String(head.status)]]);
          assert.equal(link.head.status, head.status);
        }
        assert.deepEqual(toValues(decoded), expected);
      }
    }
  });
}

test("HeadEncoder never lets a hop index a credential", () => {
  const link = new Link(65_536);
  let seen = 0;
  for (const generated of generateHeads(SEED + 99, 500)) {
    link.carry(generated);
    const hasSecret = generated.fields.some(([name]) => name === "authorization");
    assert.equal(link.reference.neverIndexed.includes("authorization"), hasSecret);
    if (hasSecret) seen += 1;
  }
  assert.ok(seen > 50);
});

test("HeadDecoder decodes arbitrary bytes without throwing, and as the reference does where that succeeds", () => {
  const kinds = [0, 1, 2];
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 12 }), (blocks) => {
      const decoder = new HeadDecoder({ ...LIMITS, maxTableBytes: 4_096 });
      const reference = new ReferenceDecoder(4_096);
      const head = new Head();
      for (const block of blocks) {
        const verdict = decoder.decode(kinds[block.length % 3] ?? 0, block, 0, block.length, true, head);
        const meant = attempt(reference, block);
        if (verdict === HEAD_COMPRESSION) return;
        assert.ok(meant !== null, "what the reference refuses is refused");
        assert.equal(decoder.failure === null, verdict === HEAD_OK);
        assert.ok(head.bytes.length <= 65_536);
      }
    }),
    { numRuns: 20_000, seed: SEED },
  );
});

test("HeadDecoder keeps its table in step through heads that it refuses", () => {
  const random = createSeededRandom(SEED);
  const link = new Link(4_096);
  let refused = 0;
  const strict = new HeadDecoder({ ...LIMITS, maxFields: 7, maxHeadBytes: 600 });
  const head = new Head();
  for (const generated of generateHeads(SEED + 5, 3_000)) {
    const { block } = link.carry(generated);
    const kind = generated.isRequest ? KIND_REQUEST : KIND_RESPONSE;
    const wrongKind = random.below(10) === 0;
    const verdict = strict.decode(wrongKind ? 2 : kind, block, 0, block.length, false, head);
    assert.notEqual(verdict, HEAD_COMPRESSION);
    if (verdict !== HEAD_OK) {
      refused += 1;
      continue;
    }
    const values = toValues(listFields(head).filter(([name]) => name !== "host"));
    assert.deepEqual(values, toValues(expectedFields(generated)));
  }
  assert.ok(refused > 300 && refused < 2_990, `${refused} were refused`);
});

function attempt(reference: ReferenceDecoder, block: Uint8Array): ReferenceField[] | null {
  try {
    return reference.decode(block);
  } catch {
    return null;
  }
}

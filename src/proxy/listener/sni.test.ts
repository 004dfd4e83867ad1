import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import tls from "node:tls";
import fc from "fast-check";
import { type ServerName, readServerName } from "./sni.ts";

interface HelloOptions {
  readonly sessionId?: number;
  readonly suites?: Buffer;
  readonly compression?: Buffer;
  /** Null = no extensions at all. */
  readonly extensions?: readonly Buffer[] | null;
  readonly trailing?: Buffer;
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

function withLength(bytes: Buffer): Buffer {
  return Buffer.concat([uint16(bytes.length), bytes]);
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([uint16(type), withLength(body)]);
}

function serverName(name: string, type: number = 0): Buffer {
  return extension(0, withLength(Buffer.concat([Buffer.from([type]), withLength(Buffer.from(name, "latin1"))])));
}

/** The ClientHello with its handshake header. */
function hello({ sessionId = 32, suites, compression, extensions = [], trailing }: HelloOptions = {}): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([sessionId]),
    Buffer.alloc(Math.min(sessionId, 32), 8),
    suites ?? withLength(Buffer.from([0x13, 0x01, 0x13, 0x02])),
    compression ?? Buffer.from([1, 0]),
    extensions === null ? Buffer.alloc(0) : withLength(Buffer.concat(extensions)),
    trailing ?? Buffer.alloc(0),
  ]);
  return Buffer.concat([Buffer.from([1, 0]), withLength(body)]);
}

function records(message: Buffer, size: number = 16_384): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    parts.push(Buffer.from([22, 3, 1]), withLength(message.subarray(at, at + size)));
  }
  return Buffer.concat(parts);
}

const GREASE = extension(0x0a0a, Buffer.alloc(0));
const LONG_KEY_SHARE = extension(51, Buffer.alloc(1_200));
const NAMED = hello({ extensions: [GREASE, serverName("DB.example.com"), LONG_KEY_SHARE] });

const rows: readonly (readonly [what: string, bytes: Buffer, found: ServerName])[] = [
  ["a name, in lower case", records(NAMED), { name: "db.example.com" }],
  ["a name over records of 100 bytes", records(NAMED, 100), { name: "db.example.com" }],
  ["a name over records of one byte", records(hello({ extensions: [serverName("a")] }), 1), { name: "a" }],
  [
    "data behind the ClientHello",
    Buffer.concat([records(NAMED), Buffer.from([20, 3, 3, 0, 1, 1])]),
    { name: "db.example.com" },
  ],
  ["a name with an underscore", records(hello({ extensions: [serverName("my_db.local")] })), { name: "my_db.local" }],
  ["a hello without a session id", records(hello({ sessionId: 0, extensions: [serverName("a.b")] })), { name: "a.b" }],
  ["no name", records(hello({ extensions: [GREASE] })), "none"],
  ["no extensions", records(hello({ extensions: null })), "none"],
  ["an empty list of extensions", records(hello()), "none"],
  ["nothing", Buffer.alloc(0), "partial"],
  ["all but the last byte", records(NAMED).subarray(0, -1), "partial"],
  ["two names", records(hello({ extensions: [serverName("a"), serverName("b")] })), "invalid"],
  ["a name of another type", records(hello({ extensions: [serverName("a", 1)] })), "invalid"],
  ["an empty name", records(hello({ extensions: [serverName("")] })), "invalid"],
  ["a name of 256 bytes", records(hello({ extensions: [serverName("a".repeat(256))] })), "invalid"],
  ["an address for a name", records(hello({ extensions: [serverName("10.0.0.1")] })), "invalid"],
  ["a name with a dot at the end", records(hello({ extensions: [serverName("a.b.")] })), "invalid"],
  ["a name with a colon", records(hello({ extensions: [serverName("a:80")] })), "invalid"],
  ["a name with a line end", records(hello({ extensions: [serverName("a\r\nb")] })), "invalid"],
  ["a name with NUL", records(hello({ extensions: [serverName("a\0b")] })), "invalid"],
  ["an empty server_name extension", records(hello({ extensions: [extension(0, Buffer.alloc(0))] })), "invalid"],
  [
    "bytes behind the name",
    records(hello({ extensions: [extension(0, Buffer.concat([serverName("a").subarray(4), Buffer.from([0])]))] })),
    "invalid",
  ],
  [
    "bytes behind the extensions",
    records(hello({ extensions: [serverName("a")], trailing: Buffer.from([0]) })),
    "invalid",
  ],
  ["an extension over the end", records(hello({ extensions: [Buffer.from([0, 5, 0, 9, 1])] })), "invalid"],
  ["a session id of 33 bytes", records(hello({ sessionId: 33, extensions: [serverName("a")] })), "invalid"],
  ["an odd list of cipher suites", records(hello({ suites: withLength(Buffer.alloc(3)) })), "invalid"],
  ["no cipher suites", records(hello({ suites: withLength(Buffer.alloc(0)) })), "invalid"],
  ["no compression method", records(hello({ compression: Buffer.from([0]) })), "invalid"],
  ["another handshake message", records(Buffer.from([2, 0, 0, 4, 1, 2, 3, 4])), "invalid"],
  ["a message behind it in the same record", records(Buffer.concat([NAMED, NAMED])), "invalid"],
  ["an empty record", Buffer.concat([Buffer.from([22, 3, 1, 0, 0]), records(NAMED)]), "invalid"],
  ["another record type", Buffer.from([23, 3, 1, 0, 4, 1, 0, 0, 1]), "invalid"],
  [
    "another record type in between",
    Buffer.concat([records(NAMED, 100).subarray(0, 105), Buffer.from([20, 3, 1, 0, 1, 1])]),
    "invalid",
  ],
  [
    "a hello of more than 16 KiB",
    records(hello({ extensions: [extension(21, Buffer.alloc(17_000))] })).subarray(0, 300),
    "invalid",
  ],
];

describe("readServerName()", () => {
  for (const [what, bytes, found] of rows) {
    it(`reads ${what}: ${typeof found === "object" ? found.name : found}`, () => {
      assert.deepEqual(readServerName(bytes), found);
    });
  }

  it("reads what node:tls sends", async () => {
    assert.deepEqual(readServerName(await captureHello({ servername: "shop.example.com" })), {
      name: "shop.example.com",
    });
    assert.equal(readServerName(await captureHello({})), "none");
    const tls12 = await captureHello({ servername: "old.example.com", maxVersion: "TLSv1.2", ALPNProtocols: ["h2"] });
    assert.deepEqual(readServerName(tls12), { name: "old.example.com" });
  });

  it("asks for more until the last byte, and never says anything else before", () => {
    for (const bytes of [records(NAMED), records(NAMED, 37)]) {
      for (let length = 0; length < bytes.length; length += 1) {
        assert.equal(readServerName(bytes.subarray(0, length)), "partial", `at ${length}`);
      }
    }
  });

  it("does not ask for more than 32 KiB of tiny records", () => {
    const tiny = records(hello({ extensions: [extension(21, Buffer.alloc(16_000))] }), 1);
    assert.equal(readServerName(tiny.subarray(0, 40_000)), "invalid");
  });

  it("survives any bytes and any change of one byte", () => {
    const whole = records(NAMED, 200);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (tail) => {
        readServerName(tail);
        readServerName(Buffer.concat([Buffer.from([22, 3, 1]), withLength(Buffer.from(tail))]));
        readServerName(records(Buffer.concat([Buffer.from([1, 0]), withLength(Buffer.from(tail))])));
      }),
      { numRuns: 5000, seed: 11 },
    );
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const changed = Buffer.from(whole);
        changed[at] = value;
        const found = readServerName(changed);
        if (typeof found === "object") assert.match(found.name, /^[a-z0-9._-]{1,255}$/);
      }),
      { numRuns: 5000, seed: 12 },
    );
  });
});

/** The first flight of a real client. */
async function captureHello(options: tls.ConnectionOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let resolve: () => void = () => undefined;
  const sent = new Promise<void>((done) => {
    resolve = done;
  });
  const socket = new Duplex({
    read() {
      // The server never answers.
    },
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
      resolve();
    },
  });
  const client = tls.connect({ ...options, socket, rejectUnauthorized: false });
  client.on("error", () => undefined);
  await sent;
  client.destroy();
  return Buffer.concat(chunks);
}

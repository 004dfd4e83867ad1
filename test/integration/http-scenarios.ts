// What a caller must see of `apps/http-peer.mjs`, whichever of HTTP/1.1 and HTTP/2 either of them speaks.
import assert from "node:assert/strict";
import { exchange, type PeerPlace, sha256 } from "./peer-exchange.ts";

export interface HttpScenario {
  readonly title: string;
  run(place: PeerPlace): Promise<void>;
}

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly trailers: Readonly<Record<string, string | undefined>>;
  readonly bytes: number;
  readonly sha256: string;
}

const SIZES = [0, 1, 16_384, 1_048_576, 20 * 1_048_576];
const COOKIES = 40;

export const HTTP_SCENARIOS: readonly HttpScenario[] = [
  {
    title: "GET without a body, with the authority and the fields that were sent",
    async run(place) {
      const headers = { "x-test": "one", accept: "text/html", "user-agent": "peer/1" };
      const asked = await ask(place, "GET", { headers });
      assert.deepEqual([asked.method, asked.url, asked.bytes], ["GET", "/ask?x=%20y&z", 0]);
      assert.equal(asked.headers["host"] ?? asked.headers[":authority"], place.authority);
      assert.equal(asked.headers["x-test"], "one");
      assert.equal(asked.headers["user-agent"], "peer/1");
      // Nothing of one protocol's framing is told to a server of the other.
      for (const name of ["connection", "keep-alive", "upgrade", "te", "proxy-connection"]) {
        if (asked.headers[":authority"] !== undefined) assert.equal(asked.headers[name], undefined, name);
      }
      assert.equal(asked.headers["transfer-encoding"], undefined);
      assert.equal(asked.headers["content-length"], undefined);
    },
  },
  ...["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"].map((method) => ({
    title: `${method} with a body`,
    async run(place: PeerPlace): Promise<void> {
      const asked = await ask(place, method, { body: Buffer.from("some bytes") });
      assert.deepEqual([asked.method, asked.bytes], [method, 10]);
    },
  })),
  ...SIZES.map((size) => ({
    title: `a body of ${size} bytes, there and back`,
    async run(place: PeerPlace): Promise<void> {
      const body = createBody(size);
      const { status, headers, body: returned } = await exchange(place, { path: "/echo", method: "POST", body });
      assert.equal(status, 200);
      assert.equal(returned.length, size);
      assert.equal(sha256(returned), sha256(body));
      assert.equal(headers["content-length"], String(size));
    },
  })),
  {
    title: "bodies of 2 MB without a length, there and back, twelve at once",
    async run(place) {
      const body = createBody(2_097_152);
      const request = { path: "/echo", method: "POST", body, unsized: true };
      const answers = await Promise.all(Array.from({ length: 12 }, () => exchange(place, request)));
      for (const { status, body: returned } of answers) {
        assert.deepEqual([status, sha256(returned)], [200, sha256(body)]);
      }
    },
  },
  {
    title: "a body that waits for 100 (Continue)",
    async run(place) {
      const body = Buffer.from("at last");
      const answer = await exchange(place, { path: "/echo", method: "POST", body, expectContinue: true });
      assert.deepEqual([answer.status, answer.body.toString()], [200, "at last"]);
    },
  },
  {
    title: "a body without a length",
    async run(place) {
      const { status, body } = await exchange(place, { path: "/stream/100000" });
      assert.deepEqual([status, body.length], [200, 100_000]);
    },
  },
  {
    title: "trailers both ways",
    async run(place) {
      const { status, body, trailers } = await exchange(place, {
        path: "/trailers",
        method: "POST",
        body: Buffer.from("checked"),
        trailers: { "x-sent": "after the body" },
      });
      assert.deepEqual([status, body.toString()], [200, "body"]);
      assert.equal(trailers["x-check"], "sum");
      assert.equal(trailers["x-seen"], "after the body");
    },
  },
  {
    title: "HEAD, with the length of what GET would give and no body",
    async run(place) {
      const { status, headers, body } = await exchange(place, { path: "/bytes/1234", method: "HEAD" });
      assert.deepEqual([status, headers["content-length"], body.length], [200, "1234", 0]);
    },
  },
  {
    title: "204 and 304, which have no body",
    async run(place) {
      for (const code of [204, 304]) {
        const { status, body, headers } = await exchange(place, { path: `/status/${code}` });
        assert.deepEqual([status, body.length], [code, 0]);
        assert.equal(headers["transfer-encoding"], undefined);
      }
    },
  },
  ...[200, 404, 418, 503].map((code) => ({
    title: `status ${code}, with its body`,
    async run(place: PeerPlace): Promise<void> {
      const { status, body } = await exchange(place, { path: `/status/${code}` });
      assert.deepEqual([status, body.toString()], [code, `status ${code}`]);
    },
  })),
  {
    title: "103 before the answer",
    async run(place) {
      const { status, interim, body } = await exchange(place, { path: "/hints" });
      assert.deepEqual(interim, [[103, "</style.css>; rel=preload"]]);
      assert.deepEqual([status, body.toString()], [200, "after the hints"]);
    },
  },
  {
    title: "many cookies, as one list to the server, and one field each to the caller",
    async run(place) {
      const pairs = Array.from({ length: COOKIES }, (_, index) => `name${index}=value${index}`);
      const { headers, body } = await exchange(place, { path: "/cookies", headers: { cookie: pairs.join("; ") } });
      assert.equal(body.toString(), pairs.join("; "));
      assert.deepEqual(headers["set-cookie"], ["one=1; Path=/", "two=2", "three=3; HttpOnly"]);
    },
  },
  {
    title: "cookies in several fields",
    async run(place) {
      const { body } = await exchange(place, { path: "/cookies", headers: { cookie: ["a=1", "b=2", "c=3"] } });
      assert.equal(body.toString(), "a=1; b=2; c=3");
    },
  },
  {
    title: "forty fields of 1,000 bytes",
    async run(place) {
      const headers = Object.fromEntries(
        Array.from({ length: 40 }, (_, index) => [`x-long-${index}`, String(index).padEnd(1_000, "v")]),
      );
      const { status, headers: echoed } = await exchange(place, { path: "/fields", headers });
      assert.equal(status, 200);
      for (const [name, value] of Object.entries(headers)) assert.equal(echoed[name], value);
    },
  },
  {
    title: "an answer before the request has ended",
    async run(place) {
      const { status, body } = await exchange(place, { path: "/refuse", method: "POST", body: createBody(100_000) });
      assert.deepEqual([status, body.toString()], [413, "too much"]);
    },
  },
  {
    title: "an answer that breaks off is seen to break off",
    async run(place) {
      await assert.rejects(exchange(place, { path: "/broken" }));
    },
  },
  {
    title: "server-sent events as they are sent",
    async run(place) {
      let text = "";
      let count = 0;
      // Each event is caused by the arrival of the last: one that was held back anywhere would hold back all.
      await exchange(place, {
        path: "/events",
        onData(bytes) {
          text += bytes.toString();
          const seen = text.split("\n\n").length - 1;
          if (seen === count) return false;
          count = seen;
          if (count === 10) return true;
          exchange(place, { path: `/next/${count}`, method: "POST" }).catch(() => undefined);
          return false;
        },
      });
      assert.match(text, /^data: 0\n\ndata: 1\n\n[^]*data: 9\n\n$/);
    },
  },
];

async function ask(
  place: PeerPlace,
  method: string,
  more: { readonly headers?: Readonly<Record<string, string>>; readonly body?: Buffer },
): Promise<Asked> {
  const { status, body } = await exchange(place, { path: "/ask?x=%20y&z", method, ...more });
  assert.equal(status, 200, body.toString());
  const asked = JSON.parse(body.toString()) as Asked;
  assert.equal(asked.sha256, sha256(more.body ?? Buffer.alloc(0)));
  return asked;
}

/** Bytes that no compression or repetition hides a mistake in. */
function createBody(size: number): Buffer {
  const body = Buffer.alloc(size);
  for (let index = 0, state = 12_345; index < size; index += 1) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    body[index] = state >>> 16;
  }
  return body;
}

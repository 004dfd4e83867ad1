/** What is asked for and what the backend answers. */
export interface RequestKind {
  readonly id: "minimal" | "realistic";
  readonly title: string;
  /** Whole requests for a Host; the load generator sends them in turn. */
  requests(authority: string): readonly string[];
}

/** So many different requests follow each other. */
const VARIANTS = 64;

export const BACKEND_BODY = "ok";
/** About half a kilobyte, as a small JSON answer has. */
export const REALISTIC_BODY: string = JSON.stringify({
  id: 7,
  title: "The Patient Loom",
  text: "warp and weft ".repeat(32),
});

/** Fields of a realistic answer, beside those that the backend makes itself. */
export const REALISTIC_RESPONSE_FIELDS: readonly (readonly [string, string])[] = [
  ["cache-control", "private, max-age=60"],
  ["date", "Sun, 22 Nov 2026 10:00:00 GMT"],
  ["etag", '"5f0c954e5d324c4a"'],
  ["server", "shop"],
  ["vary", "accept-encoding, cookie"],
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
  ["x-request-id", "5f0c954e-5d32-4c4a-9f5f-1f1a3c6d7e8f"],
];

export const MINIMAL: RequestKind = {
  id: "minimal",
  title: "minimal request (Host only), 2-byte answer",
  requests: (authority) => [`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`],
};

export const REALISTIC: RequestKind = {
  id: "realistic",
  title: `realistic request (14 fields, ids and path vary), ${REALISTIC_BODY.length}-byte answer with 10 fields`,
  requests: (authority) => Array.from({ length: VARIANTS }, (_, index) => createRealistic(authority, index)),
};

export const REQUEST_KINDS: readonly RequestKind[] = [MINIMAL, REALISTIC];

function createRealistic(authority: string, index: number): string {
  const id = (0x10000 + index * 257).toString(16).slice(1);
  return [
    `GET /products/${index}?locale=en-GB&currency=EUR&page=2 HTTP/1.1`,
    `Host: ${authority}`,
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://shop.example.com/products?page=1",
    "Cookie: session=4f2c1f9a7b3e4d5c8a6b; theme=dark; consent=necessary",
    "Cache-Control: max-age=0",
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Proto: https",
    `X-Request-Id: 5f0c954e-5d32-4c4a-9f5f-1f1a3c6d${id}`,
    `X-B3-TraceId: 463ac35c9f6413ad48485a3953bb${id}`,
    `X-B3-SpanId: a2fb4a1d1a96${id}`,
    "X-B3-Sampled: 1",
    "",
    "",
  ].join("\r\n");
}

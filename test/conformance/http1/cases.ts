// Longer than most files: one table. Each case is a message and what must become of it, by RFC 9110, RFC 9112 and the
// ways in which servers and proxies are known to have disagreed.

/** `\r\n` is written out: every byte counts here. */
export interface RequestCase {
  readonly name: string;
  readonly bytes: string;
  /** A failure's detail, or what the (first) request is. */
  readonly outcome: string | RequestOutcome;
}

export interface RequestOutcome {
  readonly method?: string;
  readonly target?: string;
  readonly authority?: string;
  readonly body?: string;
  readonly keepAlive?: boolean;
  readonly upgrade?: boolean;
  readonly expectContinue?: boolean;
  /** Lower-case names that the encoder passes on. */
  readonly forwards?: readonly string[];
  /** Further messages on the connection. */
  readonly messages?: number;
}

const H = "Host: a\r\n";

function get(fields: string): string {
  return `GET / HTTP/1.1\r\n${H}${fields}\r\n`;
}

function post(fields: string, body: string): string {
  return `POST / HTTP/1.1\r\n${H}${fields}\r\n${body}`;
}

function chunked(body: string): string {
  return post("Transfer-Encoding: chunked\r\n", body);
}

function target(text: string): string {
  return `GET ${text} HTTP/1.1\r\n${H}\r\n`;
}

function host(value: string): string {
  return `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`;
}

export const REQUEST_CASES: readonly RequestCase[] = [
  // Request line (RFC 9112 section 3)
  {
    name: "a minimal request",
    bytes: get(""),
    outcome: { method: "GET", target: "/", authority: "a", body: "", keepAlive: true },
  },
  { name: "an unknown method", bytes: `BREW / HTTP/1.1\r\n${H}\r\n`, outcome: { method: "BREW" } },
  { name: "a method in lower case is another method", bytes: `get / HTTP/1.1\r\n${H}\r\n`, outcome: { method: "get" } },
  {
    name: "a method with token punctuation",
    bytes: `M-SEARCH! / HTTP/1.1\r\n${H}\r\n`,
    outcome: { method: "M-SEARCH!" },
  },
  { name: "a method with a colon", bytes: `GE:T / HTTP/1.1\r\n${H}\r\n`, outcome: "bad_method" },
  { name: "a method with a parenthesis", bytes: `G(T / HTTP/1.1\r\n${H}\r\n`, outcome: "bad_method" },
  { name: "a method with NUL", bytes: `G\0T / HTTP/1.1\r\n${H}\r\n`, outcome: "bad_method" },
  { name: "a method with a byte above ASCII", bytes: `G\xc9T / HTTP/1.1\r\n${H}\r\n`, outcome: "bad_method" },
  {
    name: "a method of 32 bytes",
    bytes: `${"M".repeat(32)} / HTTP/1.1\r\n${H}\r\n`,
    outcome: { method: "M".repeat(32) },
  },
  { name: "a method of 33 bytes", bytes: `${"M".repeat(33)} / HTTP/1.1\r\n${H}\r\n`, outcome: "method_too_long" },
  { name: "no method", bytes: ` / HTTP/1.1\r\n${H}\r\n`, outcome: "leading_space" },
  { name: "a tab after the method", bytes: `GET\t/ HTTP/1.1\r\n${H}\r\n`, outcome: "bad_method" },
  { name: "two spaces before the target", bytes: `GET  / HTTP/1.1\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "two spaces after the target", bytes: `GET /  HTTP/1.1\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "a space inside the target", bytes: `GET /a b HTTP/1.1\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "a tab inside the target", bytes: target("/a\tb"), outcome: "bad_target" },
  { name: "a space after the version", bytes: `GET / HTTP/1.1 \r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "no version (HTTP/0.9)", bytes: "GET /\r\n", outcome: "bad_request_line" },
  { name: "no version with a space", bytes: "GET / \r\n\r\n", outcome: "bad_request_line" },
  { name: "only a method", bytes: "GET\r\n\r\n", outcome: "bad_request_line" },
  { name: "HTTP/1.0 closes by default", bytes: "GET / HTTP/1.0\r\n\r\n", outcome: { keepAlive: false, authority: "" } },
  {
    name: "HTTP/1.0 keep-alive",
    bytes: "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    outcome: { keepAlive: true },
  },
  { name: "HTTP/1.2", bytes: `GET / HTTP/1.2\r\n${H}\r\n`, outcome: "bad_version" },
  { name: "HTTP/2.0 (the preface of HTTP/2)", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", outcome: "bad_version" },
  { name: "HTTP/0.9 written out", bytes: "GET / HTTP/0.9\r\n\r\n", outcome: "bad_version" },
  { name: "HTTP/9.9", bytes: "GET / HTTP/9.9\r\n\r\n", outcome: "bad_version" },
  { name: "http/1.1 in lower case", bytes: `GET / http/1.1\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "HTTP/1.10", bytes: `GET / HTTP/1.10\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "HTTP/11", bytes: `GET / HTTP/11\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "HTTP/1,1", bytes: `GET / HTTP/1,1\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "HTTPS/1.1", bytes: `GET / HTTPS/1.1\r\n${H}\r\n`, outcome: "bad_request_line" },
  { name: "one blank line before the request", bytes: `\r\n${get("")}`, outcome: { method: "GET" } },
  { name: "two blank lines before the request", bytes: `\r\n\r\n${get("")}`, outcome: "leading_space" },
  { name: "a bare LF before the request", bytes: `\n${get("")}`, outcome: "bare_lf" },
  { name: "a space before the request", bytes: ` ${get("")}`, outcome: "leading_space" },
  { name: "a tab before the request", bytes: `\t${get("")}`, outcome: "leading_space" },
  { name: "a byte order mark before the request", bytes: `\xef\xbb\xbf${get("")}`, outcome: "bad_method" },
  { name: "a request line that ends with LF", bytes: `GET / HTTP/1.1\n${H}\r\n`, outcome: "bare_lf" },
  { name: "a request line that ends with CR", bytes: `GET / HTTP/1.1\r${H}\r\n`, outcome: "bare_cr" },
  { name: "a request line that ends with CR CR LF", bytes: `GET / HTTP/1.1\r\r\n${H}\r\n`, outcome: "bare_cr" },
  { name: "a TLS client hello", bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", outcome: "bad_method" },

  // Target (RFC 9112 section 3.2)
  { name: "path and query", bytes: target("/a/b?c=d?e&f"), outcome: { target: "/a/b?c=d?e&f" } },
  { name: "an empty query", bytes: target("/a?"), outcome: { target: "/a?" } },
  { name: "a target with a fragment", bytes: target("/a#b"), outcome: "bad_target" },
  { name: "a fragment in the query", bytes: target("/a?b#c"), outcome: "bad_target" },
  { name: "a target with NUL", bytes: target("/a\0"), outcome: "bad_target" },
  { name: "a target with DEL", bytes: target("/a\x7f"), outcome: "bad_target" },
  { name: "a target with raw UTF-8", bytes: target("/\xc3\xa9"), outcome: "bad_target" },
  { name: "a target with a control character", bytes: target("/a\x01"), outcome: "bad_target" },
  { name: "a target with a vertical tab", bytes: target("/a\x0bb"), outcome: "bad_target" },
  {
    name: "characters that RFC 3986 leaves out but clients send",
    bytes: target('/a|b"<>{}^`'),
    outcome: { target: '/a|b"<>{}^`' },
  },
  { name: "a target that is no path", bytes: target("index.html"), outcome: "bad_target" },
  { name: "a target that is only a query", bytes: target("?a=b"), outcome: "bad_target" },
  { name: "an absolute target", bytes: target("http://b/c?d"), outcome: { target: "/c?d", authority: "b" } },
  {
    name: "an absolute target with a port",
    bytes: target("http://b:81/c"),
    outcome: { target: "/c", authority: "b:81" },
  },
  {
    name: "an absolute target with its scheme in upper case",
    bytes: target("HTTP://b/"),
    outcome: { target: "/", authority: "b" },
  },
  { name: "an absolute target without a path", bytes: target("http://b"), outcome: { target: "/", authority: "b" } },
  {
    name: "an absolute target without a path but with a query",
    bytes: target("http://b?c"),
    outcome: { target: "/?c", authority: "b" },
  },
  {
    name: "an absolute target wins over Host",
    bytes: `GET http://b/ HTTP/1.1\r\nHost: c\r\n\r\n`,
    outcome: { authority: "b" },
  },
  {
    name: "an absolute target needs a Host field all the same",
    bytes: "GET http://b/ HTTP/1.1\r\n\r\n",
    outcome: "missing_host",
  },
  { name: "an absolute target with userinfo", bytes: target("http://b@c/"), outcome: "bad_authority" },
  { name: "an absolute target with user and password", bytes: target("http://b:x@c/"), outcome: "bad_authority" },
  {
    name: "an absolute target with a backslash in its authority",
    bytes: target("http://b\\@c/"),
    outcome: "bad_authority",
  },
  { name: "an absolute target with an empty authority", bytes: target("http:///c"), outcome: "bad_authority" },
  { name: "an absolute target with an encoded host", bytes: target("http://%62/"), outcome: "bad_authority" },
  { name: "an absolute target with port 0x50", bytes: target("http://b:0x50/"), outcome: "bad_authority" },
  { name: "an absolute target with port 65536", bytes: target("http://b:65536/"), outcome: "bad_authority" },
  { name: "an absolute target with an empty port", bytes: target("http://b:/"), outcome: { authority: "b" } },
  {
    name: "an absolute target with an IPv6 address",
    bytes: target("http://[::1]:80/"),
    outcome: { authority: "[::1]:80" },
  },
  { name: "an absolute target with scheme https", bytes: target("https://b/"), outcome: "bad_scheme" },
  { name: "an absolute target with scheme file", bytes: target("file:///etc/passwd"), outcome: "bad_scheme" },
  { name: "an absolute target with one slash", bytes: target("http:/b"), outcome: "bad_scheme" },
  { name: "OPTIONS *", bytes: `OPTIONS * HTTP/1.1\r\n${H}\r\n`, outcome: { method: "OPTIONS", target: "*" } },
  {
    name: "OPTIONS of an absolute target without a path",
    bytes: `OPTIONS http://b HTTP/1.1\r\n${H}\r\n`,
    outcome: { target: "*", authority: "b" },
  },
  {
    name: "OPTIONS of an absolute target with a query only",
    bytes: `OPTIONS http://b?c HTTP/1.1\r\n${H}\r\n`,
    outcome: { target: "/?c" },
  },
  { name: "GET *", bytes: target("*"), outcome: "bad_target" },
  { name: "OPTIONS **", bytes: `OPTIONS ** HTTP/1.1\r\n${H}\r\n`, outcome: "bad_target" },
  {
    name: "CONNECT",
    bytes: `CONNECT a:443 HTTP/1.1\r\n${H}\r\n`,
    outcome: { method: "CONNECT", authority: "a:443", upgrade: true },
  },
  { name: "CONNECT without a port", bytes: `CONNECT a HTTP/1.1\r\n${H}\r\n`, outcome: "bad_authority" },
  { name: "CONNECT with an empty port", bytes: `CONNECT a: HTTP/1.1\r\n${H}\r\n`, outcome: "bad_authority" },
  { name: "CONNECT with a path", bytes: `CONNECT /a HTTP/1.1\r\n${H}\r\n`, outcome: "bad_authority" },
  { name: "a target of 8,192 bytes", bytes: target(`/${"a".repeat(8_191)}`), outcome: { method: "GET" } },
  { name: "a target of 8,193 bytes", bytes: target(`/${"a".repeat(8_192)}`), outcome: "target_too_long" },
  { name: "a request line without an end", bytes: `GET /${"a".repeat(9_000)}`, outcome: "target_too_long" },

  // Host (RFC 9112 section 3.2, RFC 9110 section 7.2)
  { name: "no Host", bytes: "GET / HTTP/1.1\r\n\r\n", outcome: "missing_host" },
  { name: "no Host but other fields", bytes: "GET / HTTP/1.1\r\nX: y\r\n\r\n", outcome: "missing_host" },
  { name: "two Hosts that differ", bytes: get("Host: b\r\n"), outcome: "duplicate_host" },
  { name: "two Hosts that agree", bytes: get("Host: a\r\n"), outcome: "duplicate_host" },
  { name: "two Hosts in different case", bytes: get("hOST: a\r\n"), outcome: "duplicate_host" },
  { name: "two Hosts in HTTP/1.0", bytes: "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", outcome: "duplicate_host" },
  { name: "an empty Host", bytes: host(""), outcome: { authority: "" } },
  { name: "a Host with a port", bytes: host("a.b-c_d:8080"), outcome: { authority: "a.b-c_d:8080" } },
  { name: "a Host with an empty port", bytes: host("a:"), outcome: { authority: "a" } },
  { name: "a Host with a trailing dot", bytes: host("a."), outcome: { authority: "a." } },
  { name: "a Host with an IPv4 address", bytes: host("127.0.0.1:80"), outcome: { authority: "127.0.0.1:80" } },
  { name: "a Host with an IPv6 address", bytes: host("[2001:db8::1]"), outcome: { authority: "[2001:db8::1]" } },
  { name: "a Host with an IPv6 zone", bytes: host("[fe80::1%25eth0]"), outcome: "bad_host" },
  { name: "a Host with an open bracket", bytes: host("[::1"), outcome: "bad_host" },
  { name: "a Host with bytes after the bracket", bytes: host("[::1]a"), outcome: "bad_host" },
  { name: "a Host that is a list", bytes: host("a, b"), outcome: "bad_host" },
  { name: "a Host with a comma", bytes: host("a,b"), outcome: "bad_host" },
  { name: "a Host with a space", bytes: host("a b"), outcome: "bad_host" },
  { name: "a Host with userinfo", bytes: host("a@b"), outcome: "bad_host" },
  { name: "a Host with a path", bytes: host("a/b"), outcome: "bad_host" },
  { name: "a Host with a scheme", bytes: host("http://a"), outcome: "bad_host" },
  { name: "a Host with a query", bytes: host("a?b"), outcome: "bad_host" },
  { name: "a Host with a backslash", bytes: host("a\\b"), outcome: "bad_host" },
  { name: "a Host with percent-encoding", bytes: host("%61"), outcome: "bad_host" },
  { name: "a Host with port 99999", bytes: host("a:99999"), outcome: "bad_host" },
  { name: "a Host with a signed port", bytes: host("a:+80"), outcome: "bad_host" },
  { name: "a Host with two ports", bytes: host("a:80:81"), outcome: "bad_host" },
  { name: "a Host with only a port", bytes: host(":80"), outcome: "bad_host" },
  { name: "a Host with raw UTF-8", bytes: host("b\xc3\xbccher"), outcome: "bad_host" },
  { name: "a Host of 256 bytes", bytes: host("a".repeat(256)), outcome: "bad_host" },

  // Field lines (RFC 9112 section 5)
  { name: "white space around a value", bytes: get("X: \t y \t\r\n"), outcome: { forwards: ["host", "x"] } },
  { name: "a value without a space", bytes: get("X:y\r\n"), outcome: { forwards: ["host", "x"] } },
  { name: "an empty value", bytes: get("X:\r\n"), outcome: { forwards: ["host", "x"] } },
  { name: "a value of white space", bytes: get("X:  \t \r\n"), outcome: { forwards: ["host", "x"] } },
  { name: "a value with obs-text", bytes: get("X: \xe9\xff\r\n"), outcome: { forwards: ["host", "x"] } },
  { name: "a value with colons", bytes: get("X: a:b: c\r\n"), outcome: { forwards: ["host", "x"] } },
  { name: "space before the colon", bytes: get("X : y\r\n"), outcome: "space_before_colon" },
  { name: "tab before the colon", bytes: get("X\t: y\r\n"), outcome: "space_before_colon" },
  {
    name: "space before the colon of Transfer-Encoding",
    bytes: post("Transfer-Encoding : chunked\r\n", ""),
    outcome: "space_before_colon",
  },
  {
    name: "space before the colon of Content-Length",
    bytes: post("Content-Length : 5\r\n", "hello"),
    outcome: "space_before_colon",
  },
  { name: "an empty name", bytes: get(": y\r\n"), outcome: "bad_field_name" },
  { name: "a line without a colon", bytes: get("X\r\n"), outcome: "bad_field_name" },
  { name: "a name with a space inside", bytes: get("X Y: z\r\n"), outcome: "space_before_colon" },
  { name: "a name with NUL", bytes: get("X\0: y\r\n"), outcome: "bad_field_name" },
  { name: "a name with a slash", bytes: get("X/Y: z\r\n"), outcome: "bad_field_name" },
  { name: "a name with a bracket", bytes: get("X[0]: z\r\n"), outcome: "bad_field_name" },
  { name: "a name with a byte above ASCII", bytes: get("X\xe9: z\r\n"), outcome: "bad_field_name" },
  {
    name: "a name with a control character",
    bytes: get("\x0bTransfer-Encoding: chunked\r\n"),
    outcome: "bad_field_name",
  },
  { name: "a value with NUL", bytes: get("X: a\0b\r\n"), outcome: "bad_field_value" },
  { name: "a value with a control character", bytes: get("X: a\x01b\r\n"), outcome: "bad_field_value" },
  { name: "a value with DEL", bytes: get("X: a\x7fb\r\n"), outcome: "bad_field_value" },
  { name: "a value with a bare CR", bytes: get("X: a\rb\r\n"), outcome: "bare_cr" },
  { name: "a value with a bare LF", bytes: get("X: a\nY: b\r\n"), outcome: "bare_lf" },
  { name: "a value that ends with CR CR LF", bytes: get("X: a\r\r\n"), outcome: "bare_cr" },
  { name: "a folded line", bytes: get("X: a\r\n b\r\n"), outcome: "obs_fold" },
  { name: "a line folded with a tab", bytes: get("X: a\r\n\tb\r\n"), outcome: "obs_fold" },
  { name: "white space before the first field", bytes: `GET / HTTP/1.1\r\n ${H}\r\n`, outcome: "obs_fold" },
  {
    name: "a Transfer-Encoding whose value is on the folded line",
    bytes: post("Transfer-Encoding:\r\n chunked\r\n", ""),
    outcome: "bad_transfer_encoding",
  },
  { name: "a head that ends with LF", bytes: `GET / HTTP/1.1\r\n${H}\n`, outcome: "bare_lf" },
  { name: "a head that ends with CR and a letter", bytes: `GET / HTTP/1.1\r\n${H}\rX\n`, outcome: "bare_cr" },
  { name: "a head of bare LFs", bytes: "GET / HTTP/1.1\nHost: a\n\n", outcome: "bare_lf" },
  { name: "100 fields", bytes: get("X: y\r\n".repeat(99)), outcome: { method: "GET" } },
  { name: "101 fields", bytes: get("X: y\r\n".repeat(100)), outcome: "too_many_fields" },
  { name: "a head above 64 KiB in one field", bytes: get(`X: ${"y".repeat(65_536)}\r\n`), outcome: "head_too_large" },
  {
    name: "a head above 64 KiB in many fields",
    bytes: get(`X: ${"y".repeat(1_000)}\r\n`.repeat(70)),
    outcome: "head_too_large",
  },
  {
    name: "a head above 64 KiB without an end",
    bytes: `GET / HTTP/1.1\r\nX: ${"y".repeat(70_000)}`,
    outcome: "head_too_large",
  },

  // Content-Length (RFC 9112 section 6.2, RFC 9110 section 8.6)
  { name: "a body with a length", bytes: post("Content-Length: 5\r\n", "hello"), outcome: { body: "hello" } },
  { name: "a length of zero", bytes: post("Content-Length: 0\r\n", ""), outcome: { body: "" } },
  { name: "a length with leading zeros", bytes: post("Content-Length: 0005\r\n", "hello"), outcome: { body: "hello" } },
  { name: "a GET with a body", bytes: `GET / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\nhi`, outcome: { body: "hi" } },
  {
    name: "bytes after the body are the next request",
    bytes: post("Content-Length: 2\r\n", `hi${get("")}`),
    outcome: { body: "hi", messages: 2 },
  },
  {
    name: "two lengths that differ",
    bytes: post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
    outcome: "duplicate_content_length",
  },
  {
    name: "two lengths that agree",
    bytes: post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    outcome: "duplicate_content_length",
  },
  { name: "a list of lengths", bytes: post("Content-Length: 5, 5\r\n", "hello"), outcome: "bad_content_length" },
  { name: "a signed length", bytes: post("Content-Length: +5\r\n", "hello"), outcome: "bad_content_length" },
  { name: "a negative length", bytes: post("Content-Length: -5\r\n", "hello"), outcome: "bad_content_length" },
  { name: "a hexadecimal length", bytes: post("Content-Length: 0x5\r\n", "hello"), outcome: "bad_content_length" },
  { name: "an empty length", bytes: post("Content-Length:\r\n", ""), outcome: "bad_content_length" },
  { name: "a length with a fraction", bytes: post("Content-Length: 5.0\r\n", "hello"), outcome: "bad_content_length" },
  { name: "a length with an exponent", bytes: post("Content-Length: 5e0\r\n", "hello"), outcome: "bad_content_length" },
  {
    name: "a length with a space inside",
    bytes: post("Content-Length: 5 5\r\n", "hello"),
    outcome: "bad_content_length",
  },
  {
    name: "a length with an underscore",
    bytes: post("Content-Length: 1_0\r\n", "hello"),
    outcome: "bad_content_length",
  },
  {
    name: "a length above 2^53",
    bytes: post("Content-Length: 9007199254740992\r\n", ""),
    outcome: "bad_content_length",
  },
  {
    name: "a length above 2^64",
    bytes: post("Content-Length: 18446744073709551617\r\n", ""),
    outcome: "bad_content_length",
  },
  {
    name: "a length in fullwidth digits",
    bytes: post("Content-Length: \xef\xbc\x95\r\n", "hello"),
    outcome: "bad_content_length",
  },
  {
    name: "a length under another name is only a field",
    bytes: post("Content_Length: 5\r\n", ""),
    outcome: { body: "" },
  },

  // Transfer-Encoding (RFC 9112 section 6.1)
  {
    name: "Content-Length and Transfer-Encoding",
    bytes: post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    outcome: "cl_te",
  },
  {
    name: "Transfer-Encoding and Content-Length",
    bytes: post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    outcome: "cl_te",
  },
  {
    name: "Content-Length 0 and Transfer-Encoding",
    bytes: post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    outcome: "cl_te",
  },
  { name: "chunked in upper case", bytes: post("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"), outcome: { body: "" } },
  {
    name: "two Transfer-Encodings",
    bytes: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    outcome: "bad_transfer_encoding",
  },
  {
    name: "two Transfer-Encodings, the second harmless",
    bytes: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
    outcome: "bad_transfer_encoding",
  },
  {
    name: "chunked twice in a list",
    bytes: post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
    outcome: "bad_transfer_encoding",
  },
  {
    name: "gzip before chunked",
    bytes: post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    outcome: "unknown_transfer_encoding",
  },
  {
    name: "chunked before gzip",
    bytes: post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
    outcome: "bad_transfer_encoding",
  },
  { name: "identity", bytes: post("Transfer-Encoding: identity\r\n", ""), outcome: "bad_transfer_encoding" },
  {
    name: "identity before chunked",
    bytes: post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
    outcome: "unknown_transfer_encoding",
  },
  { name: "an empty Transfer-Encoding", bytes: post("Transfer-Encoding:\r\n", ""), outcome: "bad_transfer_encoding" },
  {
    name: "an unknown coding that looks like chunked",
    bytes: post("Transfer-Encoding: xchunked\r\n", ""),
    outcome: "bad_transfer_encoding",
  },
  { name: "chunked in quotes", bytes: post('Transfer-Encoding: "chunked"\r\n', ""), outcome: "bad_transfer_encoding" },
  {
    name: "chunked with a parameter",
    bytes: post("Transfer-Encoding: chunked;q=1\r\n", ""),
    outcome: "bad_transfer_encoding",
  },
  {
    name: "chunked with a comma",
    bytes: post("Transfer-Encoding: chunked,\r\n", ""),
    outcome: "bad_transfer_encoding",
  },
  {
    name: "chunked after a comma",
    bytes: post("Transfer-Encoding: ,chunked\r\n", ""),
    outcome: "bad_transfer_encoding",
  },
  {
    name: "chunked with a vertical tab",
    bytes: post("Transfer-Encoding: \x0bchunked\r\n", ""),
    outcome: "bad_field_value",
  },
  {
    name: "chunked after a byte above ASCII",
    bytes: post("Transfer-Encoding: \xa0chunked\r\n", ""),
    outcome: "bad_transfer_encoding",
  },
  { name: "chunk ed", bytes: post("Transfer-Encoding: chunk ed\r\n", ""), outcome: "bad_transfer_encoding" },
  {
    name: "Transfer-Encoding in HTTP/1.0",
    bytes: "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    outcome: "te_in_http10",
  },
  {
    name: "Transfer_Encoding is only a field",
    bytes: post("Transfer_Encoding: chunked\r\n", ""),
    outcome: { body: "" },
  },

  // Chunks (RFC 9112 section 7.1)
  { name: "chunks", bytes: chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), outcome: { body: "abcde" } },
  {
    name: "a chunk size in hexadecimal, both cases",
    bytes: chunked(`a\r\n${"x".repeat(10)}\r\nB\r\n${"y".repeat(11)}\r\n0\r\n\r\n`),
    outcome: { body: `${"x".repeat(10)}${"y".repeat(11)}` },
  },
  { name: "a chunk size with leading zeros", bytes: chunked("0003\r\nabc\r\n000\r\n\r\n"), outcome: { body: "abc" } },
  { name: "a chunk extension", bytes: chunked('3;a=b;c="d e"\r\nabc\r\n0;x\r\n\r\n'), outcome: { body: "abc" } },
  { name: "trailers", bytes: chunked("0\r\nX: y\r\n\r\n"), outcome: { body: "" } },
  {
    name: "chunks and then another request",
    bytes: chunked(`1\r\na\r\n0\r\n\r\n${get("")}`),
    outcome: { body: "a", messages: 2 },
  },
  { name: "a chunk size with 0x", bytes: chunked("0x3\r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "a signed chunk size", bytes: chunked("+3\r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "a negative chunk size", bytes: chunked("-3\r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "an empty chunk size", bytes: chunked("\r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "a chunk size with an underscore", bytes: chunked("1_0\r\nabc\r\n"), outcome: "bad_chunk_size" },
  { name: "space before a chunk size", bytes: chunked(" 3\r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "space after a chunk size", bytes: chunked("3 \r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "space before a chunk extension", bytes: chunked("3 ;a\r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "a chunk size with a fraction", bytes: chunked("3.0\r\nabc\r\n0\r\n\r\n"), outcome: "bad_chunk_size" },
  { name: "a chunk size above 2^53", bytes: chunked("20000000000000\r\n"), outcome: "bad_chunk_size" },
  {
    name: "a chunk size that wraps at 2^64",
    bytes: chunked("10000000000000003\r\nabc\r\n"),
    outcome: "bad_chunk_size",
  },
  { name: "a chunk size of 17 digits", bytes: chunked("00000000000000003\r\nabc\r\n"), outcome: "bad_chunk_size" },
  { name: "a chunk size line that ends with LF", bytes: chunked("3\nabc\r\n0\r\n\r\n"), outcome: "bare_lf" },
  { name: "a chunk size line that ends with CR", bytes: chunked("3\rabc\r\n0\r\n\r\n"), outcome: "bare_cr" },
  { name: "a chunk size line that ends with CR CR LF", bytes: chunked("3\r\r\nabc\r\n"), outcome: "bare_cr" },
  { name: "a chunk extension that ends with LF", bytes: chunked("3;a\nabc\r\n0\r\n\r\n"), outcome: "bare_lf" },
  { name: "a chunk extension with NUL", bytes: chunked("3;\0\r\nabc\r\n"), outcome: "bad_chunk_extension" },
  {
    name: "a chunk extension above 4 KiB",
    bytes: chunked(`3;${"a".repeat(5_000)}\r\nabc\r\n`),
    outcome: "bad_chunk_extension",
  },
  {
    name: "small chunks with long extensions",
    bytes: chunked(`1;${"a".repeat(500)}\r\nx\r\n`.repeat(20)),
    outcome: "bad_chunk_extension",
  },
  { name: "chunk data that is too long", bytes: chunked("3\r\nabcd\r\n0\r\n\r\n"), outcome: "bad_chunk_end" },
  { name: "chunk data that ends with LF", bytes: chunked("3\r\nabc\n0\r\n\r\n"), outcome: "bad_chunk_end" },
  { name: "chunk data that ends with CR CR", bytes: chunked("3\r\nabc\r\r0\r\n\r\n"), outcome: "bad_chunk_end" },
  { name: "chunk data without its CRLF", bytes: chunked("3\r\nabc0\r\n\r\n"), outcome: "bad_chunk_end" },
  { name: "a last chunk that ends with LF", bytes: chunked("0\n\n"), outcome: "bare_lf" },
  { name: "a trailer section that ends with LF", bytes: chunked("0\r\n\n"), outcome: "bare_lf" },
  { name: "a trailer without a colon", bytes: chunked("0\r\nGET / HTTP/1.1\r\n\r\n"), outcome: "space_before_colon" },
  {
    name: "a trailer with Content-Length",
    bytes: chunked("0\r\nContent-Length: 5\r\n\r\n"),
    outcome: "forbidden_trailer",
  },
  {
    name: "a trailer with Transfer-Encoding",
    bytes: chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    outcome: "forbidden_trailer",
  },
  { name: "a trailer with Host", bytes: chunked("0\r\nHost: b\r\n\r\n"), outcome: "forbidden_trailer" },
  { name: "a trailer with NUL", bytes: chunked("0\r\nX: \0\r\n\r\n"), outcome: "bad_field_value" },
  { name: "a folded trailer", bytes: chunked("0\r\nX: a\r\n b\r\n\r\n"), outcome: "obs_fold" },
  {
    name: "trailers above 8 KiB",
    bytes: chunked(`0\r\nX: ${"y".repeat(9_000)}\r\n\r\n`),
    outcome: "trailers_too_large",
  },

  // Fields of one hop (RFC 9110 section 7.6.1)
  { name: "Connection: close", bytes: get("Connection: close\r\n"), outcome: { keepAlive: false, forwards: ["host"] } },
  {
    name: "Connection: Close, keep-alive",
    bytes: get("Connection: Close, keep-alive\r\n"),
    outcome: { keepAlive: false },
  },
  {
    name: "close in a second Connection field",
    bytes: get("Connection: keep-alive\r\nConnection: close\r\n"),
    outcome: { keepAlive: false },
  },
  {
    name: "fields of one hop are not passed on",
    bytes: get(
      "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nUpgrade: h2c\r\nTE: gzip\r\nX: y\r\n",
    ),
    outcome: { forwards: ["host", "x"] },
  },
  {
    name: "TE: trailers is passed on",
    bytes: get("TE: trailers\r\nConnection: TE\r\n"),
    outcome: { forwards: ["host", "te"] },
  },
  {
    name: "a nominated field is dropped",
    bytes: get("Connection: close, X-Hop\r\nX-Hop: 1\r\nX: y\r\n"),
    outcome: { forwards: ["host", "x"] },
  },
  {
    name: "a nominated field that comes first is dropped",
    bytes: get("X-Hop: 1\r\nX: y\r\nConnection: x-hop\r\n"),
    outcome: { forwards: ["host", "x"] },
  },
  {
    name: "every field of a nominated name is dropped",
    bytes: get("X-Hop: 1\r\nConnection: x-hop\r\nx-hop: 2\r\n"),
    outcome: { forwards: ["host"] },
  },
  { name: "Connection nominates Host", bytes: get("Connection: close, Host\r\n"), outcome: "protected_nomination" },
  {
    name: "Connection nominates Content-Length",
    bytes: post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"),
    outcome: "protected_nomination",
  },
  {
    name: "Connection nominates Transfer-Encoding",
    bytes: post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    outcome: "protected_nomination",
  },
  {
    name: "Connection nominates Authorization",
    bytes: get("Connection: Authorization\r\nAuthorization: x\r\n"),
    outcome: "protected_nomination",
  },
  {
    name: "Connection nominates Cookie",
    bytes: get("Connection: cookie\r\nCookie: x\r\n"),
    outcome: "protected_nomination",
  },
  {
    name: "Connection nominates X-Forwarded-For",
    bytes: get("Connection: close, X-Forwarded-For\r\n"),
    outcome: "protected_nomination",
  },
  {
    name: "Connection nominates X-Forwarded-Anything",
    bytes: get("Connection: X-Forwarded-Port\r\n"),
    outcome: "protected_nomination",
  },
  { name: "Connection nominates b3", bytes: get("Connection: b3\r\n"), outcome: "protected_nomination" },
  {
    name: "Connection nominates a field of weft",
    bytes: get("Connection: X-Weft-Source\r\n"),
    outcome: "protected_nomination",
  },
  { name: "Connection nominates Expect", bytes: get("Connection: Expect\r\n"), outcome: "protected_nomination" },
  { name: "Connection with a bad token", bytes: get("Connection: clo/se\r\n"), outcome: "bad_connection" },
  {
    name: "Connection with a missing comma",
    bytes: get("Connection: close keep-alive\r\n"),
    outcome: "bad_connection",
  },
  { name: "Connection with empty elements", bytes: get("Connection: , close,,\r\n"), outcome: { keepAlive: false } },
  {
    name: "Connection with 17 options",
    bytes: get(`Connection: ${Array(17).fill("x").join(",")}\r\n`),
    outcome: "bad_connection",
  },

  // Expect and Upgrade (RFC 9110 sections 10.1.1 and 7.8)
  {
    name: "Expect: 100-continue",
    bytes: post("Expect: 100-Continue\r\nContent-Length: 1\r\n", "a"),
    outcome: { expectContinue: true, body: "a" },
  },
  { name: "another expectation", bytes: get("Expect: 200-ok\r\n"), outcome: "bad_expectation" },
  {
    name: "Expect in HTTP/1.0 is ignored",
    bytes: "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
    outcome: { expectContinue: false, forwards: ["host"] },
  },
  {
    name: "an upgrade to WebSocket",
    bytes: get("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    outcome: { upgrade: true },
  },
  {
    name: "an upgrade to h2c may be ignored",
    bytes: get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"),
    outcome: { upgrade: false, forwards: ["host"] },
  },
  {
    name: "Upgrade without the connection option",
    bytes: get("Upgrade: websocket\r\n"),
    outcome: { upgrade: false, forwards: ["host"] },
  },

  // Several messages
  { name: "three pipelined requests", bytes: get("").repeat(3), outcome: { messages: 3 } },
  {
    name: "CRLF after a body is tolerated once",
    bytes: post("Content-Length: 1\r\n", `a\r\n${get("")}`),
    outcome: { body: "a", messages: 2 },
  },
];

export interface ResponseCase {
  readonly name: string;
  readonly bytes: string;
  readonly toHead?: boolean;
  /** The connection ends after the bytes. */
  readonly closes?: boolean;
  readonly outcome: string | ResponseOutcome;
}

export interface ResponseOutcome {
  readonly status?: number;
  readonly body?: string;
  readonly keepAlive?: boolean;
  readonly interim?: readonly number[];
  /** What comes after a complete message. */
  readonly afterwards?: string;
}

const OK = "HTTP/1.1 200 OK\r\n";

export const RESPONSE_CASES: readonly ResponseCase[] = [
  {
    name: "a body with a length",
    bytes: `${OK}Content-Length: 2\r\n\r\nhi`,
    outcome: { status: 200, body: "hi", keepAlive: true },
  },
  {
    name: "chunks",
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
    outcome: { body: "hi", keepAlive: true },
  },
  { name: "a body until close", bytes: `${OK}\r\nhi`, closes: true, outcome: { body: "hi", keepAlive: false } },
  { name: "an empty body until close", bytes: `${OK}\r\n`, closes: true, outcome: { body: "", keepAlive: false } },
  { name: "no reason", bytes: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", outcome: { status: 200 } },
  { name: "no reason and no space", bytes: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", outcome: { status: 200 } },
  { name: "a reason with obs-text", bytes: "HTTP/1.1 200 \xe9\r\nContent-Length: 0\r\n\r\n", outcome: { status: 200 } },
  { name: "an unknown status", bytes: "HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", outcome: { status: 299 } },
  {
    name: "204 has no body",
    bytes: "HTTP/1.1 204 No Content\r\n\r\n",
    outcome: { status: 204, body: "", keepAlive: true },
  },
  {
    name: "204 with a length has no body",
    bytes: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    outcome: { body: "" },
  },
  { name: "304 has no body", bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", outcome: { body: "" } },
  {
    name: "the answer to HEAD has no body",
    bytes: `${OK}Content-Length: 5\r\n\r\n`,
    toHead: true,
    outcome: { body: "" },
  },
  {
    name: "the answer to HEAD that announces chunks has no body",
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n`,
    toHead: true,
    outcome: { body: "" },
  },
  {
    name: "an answer to HEAD that has a body all the same",
    bytes: `${OK}Content-Length: 2\r\n\r\nhi`,
    toHead: true,
    outcome: { body: "", keepAlive: true, afterwards: "unsolicited" },
  },
  {
    name: "bytes after the body",
    bytes: `${OK}Content-Length: 2\r\n\r\nhi${OK}`,
    outcome: { body: "hi", afterwards: "unsolicited" },
  },
  {
    name: "Connection: close",
    bytes: `${OK}Connection: close\r\nContent-Length: 0\r\n\r\n`,
    outcome: { keepAlive: false },
  },
  { name: "HTTP/1.0", bytes: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", outcome: { keepAlive: false } },
  {
    name: "HTTP/1.0 with keep-alive",
    bytes: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    outcome: { keepAlive: true },
  },
  {
    name: "100 Continue first",
    bytes: `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    outcome: { status: 200, interim: [100] },
  },
  {
    name: "103 Early Hints, then 100",
    bytes: `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    outcome: { interim: [103, 100] },
  },
  {
    name: "100 with a Content-Length has no body",
    bytes: `HTTP/1.1 100 Continue\r\nContent-Length: 4\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    outcome: { status: 200, interim: [100] },
  },
  {
    name: "interim responses without end",
    bytes: "HTTP/1.1 100 Continue\r\n\r\n".repeat(20),
    outcome: "too_many_interim",
  },
  {
    name: "101 that nobody asked for",
    bytes: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    outcome: "unasked_upgrade",
  },
  {
    name: "Content-Length and Transfer-Encoding",
    bytes: `${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    outcome: "cl_te",
  },
  {
    name: "two lengths",
    bytes: `${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
    outcome: "duplicate_content_length",
  },
  { name: "a bad length", bytes: `${OK}Content-Length: two\r\n\r\nhi`, outcome: "bad_content_length" },
  {
    name: "gzip as transfer coding",
    bytes: `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`,
    outcome: "unknown_transfer_encoding",
  },
  {
    name: "Transfer-Encoding in HTTP/1.0",
    bytes: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    outcome: "te_in_http10",
  },
  { name: "a status of two digits", bytes: "HTTP/1.1 20 OK\r\n\r\n", outcome: "bad_status_line" },
  { name: "a status of four digits", bytes: "HTTP/1.1 2000 OK\r\n\r\n", outcome: "bad_status_line" },
  { name: "status 099", bytes: "HTTP/1.1 099 Low\r\n\r\n", outcome: "bad_status_line" },
  { name: "status 600", bytes: "HTTP/1.1 600 High\r\n\r\n", outcome: "bad_status_line" },
  { name: "HTTP/2.0", bytes: "HTTP/2.0 200 OK\r\n\r\n", outcome: "bad_version" },
  { name: "another protocol", bytes: "SSH-2.0-OpenSSH_9.2\r\n", outcome: "bad_status_line" },
  { name: "a short line", bytes: "OK\r\n", outcome: "bad_status_line" },
  { name: "a blank line first", bytes: `\r\n${OK}\r\n`, outcome: "bad_status_line" },
  { name: "a status line that ends with LF", bytes: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", outcome: "bare_lf" },
  { name: "a folded field", bytes: `${OK}X: a\r\n b\r\n\r\n`, outcome: "obs_fold" },
  { name: "a field with NUL", bytes: `${OK}X: \0\r\n\r\n`, outcome: "bad_field_value" },
  {
    name: "Connection nominates Set-Cookie",
    bytes: `${OK}Connection: Set-Cookie\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n`,
    outcome: "protected_nomination",
  },
  { name: "the connection ends before the head", bytes: "", closes: true, outcome: "truncated" },
  { name: "the connection ends inside the head", bytes: "HTTP/1.1 200", closes: true, outcome: "truncated" },
  {
    name: "the connection ends after an interim response",
    bytes: "HTTP/1.1 100 Continue\r\n\r\n",
    closes: true,
    outcome: "truncated",
  },
  {
    name: "the connection ends inside a body with a length",
    bytes: `${OK}Content-Length: 5\r\n\r\nhi`,
    closes: true,
    outcome: "truncated",
  },
  {
    name: "the connection ends inside a chunk",
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhi`,
    closes: true,
    outcome: "truncated",
  },
  {
    name: "the connection ends before the last chunk",
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`,
    closes: true,
    outcome: "truncated",
  },
  {
    name: "the connection ends before the trailers do",
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n`,
    closes: true,
    outcome: "truncated",
  },
];

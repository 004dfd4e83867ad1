import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createSeededRandom } from "../../random/seeded-random.ts";
import {
  formatRequestHead,
  formatResponseHead,
  parseRequestHead,
  parseResponseHead,
} from "../../testing/exchange-bench.ts";
import type { Head } from "../head.ts";
import { toFieldLines } from "../http1/field-line.ts";
import type { HeaderChanges } from "../policy/route-policy.ts";
import { applyRequestHeaders, applyResponseHeaders } from "./header-changes.ts";
import { addTraceIds } from "./trace-filter.ts";

function changes(change: Partial<HeaderChanges>): HeaderChanges {
  return { remove: [], set: [], add: [], ...change };
}

function request(fields: string): Head {
  return parseRequestHead(`GET /a?b HTTP/1.1\r\nHost: reviews\r\n${fields}\r\n`);
}

/** The field lines of a request after a policy, without Host. */
function changed(fields: string, change: Partial<HeaderChanges>): string[] {
  const head = request(fields);
  applyRequestHeaders(changes(change), head);
  return linesOf(formatRequestHead(head));
}

function linesOf(text: string): string[] {
  const [, ...lines] = text.slice(0, -4).split("\r\n");
  return lines.filter((line) => !/^host:/i.test(line));
}

describe("applyRequestHeaders()", () => {
  it("removes, then sets, then adds", () => {
    const fields = "X-A: 1\r\nX-B: 1\r\nX-A: 2\r\nX-C: 1\r\nx-a: 3\r\n";
    assert.deepEqual(changed(fields, { remove: ["x-a"] }), ["X-B: 1", "X-C: 1"]);
    assert.deepEqual(changed(fields, { set: [["x-a", "9"]] }), ["X-B: 1", "X-C: 1", "x-a: 9"]);
    assert.deepEqual(changed(fields, { add: [["x-b", "2"]] }), [...fields.trimEnd().split("\r\n"), "x-b: 2"]);
    assert.deepEqual(
      changed(fields, {
        remove: ["x-b", "x-c"],
        set: [["x-c", "s"]],
        add: [
          ["X-B", "a"],
          ["x-b", "b"],
        ],
      }),
      ["X-A: 1", "X-A: 2", "x-a: 3", "x-c: s", "x-b: a", "x-b: b"],
    );
    assert.deepEqual(changed(fields, {}), fields.trimEnd().split("\r\n"));
  });

  it("knows fields by their whole name", () => {
    const fields = "X-Aa: 1\r\nX: 1\r\nX-A: 1\r\nAX-A: 1\r\n";
    assert.deepEqual(changed(fields, { remove: ["x-a"] }), ["X-Aa: 1", "X: 1", "AX-A: 1"]);
  });

  it("knows fields with an id as well", () => {
    const fields = "X-Request-Id: 1\r\nContent-Type: a\r\nX-Forwarded-For: 1.2.3.4\r\n";
    const left = changed(fields, { remove: ["x-forwarded-for"], set: [["x-request-id", "7"]] });
    assert.deepEqual(left, ["Content-Type: a", "x-request-id: 7"]);
  });

  it("changes what this proxy added before", () => {
    const head = request("");
    head.add(toFieldLines(Buffer.from("x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: http\r\n", "latin1")));
    addTraceIds(head, createSeededRandom(1));
    applyRequestHeaders(changes({ remove: ["x-forwarded-for"], set: [["x-b3-sampled", "0"]] }), head);
    const lines = linesOf(formatRequestHead(head));
    assert.deepEqual(
      lines.map((line) => line.split(": ")[0]),
      ["x-forwarded-proto", "x-b3-traceid", "x-b3-spanid", "x-request-id", "x-b3-sampled"],
    );
    assert.ok(lines.includes("x-b3-sampled: 0"));
    assert.equal(head.additionCount, 3, "one addition, whatever is set");
  });

  it("removes all of an addition", () => {
    const head = request("");
    head.add(toFieldLines(Buffer.from("x-a: 1\r\nx-a: 2\r\n", "latin1")));
    applyRequestHeaders(changes({ remove: ["x-a"] }), head);
    assert.deepEqual(linesOf(formatRequestHead(head)), []);
  });

  it("leaves what frames and routes a message alone, whatever configuration says", () => {
    const head = parseRequestHead("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTE: trailers\r\n\r\nabc");
    const names = ["Host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect", "trailer"];
    const pairs = names.map((name) => [name, "evil"] as const);
    applyRequestHeaders(changes({ remove: names, set: pairs, add: pairs }), head);
    const text = formatRequestHead(head);
    assert.equal(text, "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\ncontent-length: 3\r\n\r\n");
  });

  it("cannot be made to write a line of another field", () => {
    const evil = "1\r\ntransfer-encoding: chunked";
    assert.deepEqual(
      changed("", {
        add: [
          ["x-a", evil],
          ["x-b: y\r\nx", "1"],
          ["x-c", "ok"],
        ],
      }),
      ["x-c: ok"],
    );
  });

  it("adds the same lines to every head", () => {
    const policy = changes({ set: [["x-a", "1"]] });
    const heads = [request("X-A: 0\r\n"), request("")];
    for (const head of heads) applyRequestHeaders(policy, head);
    assert.equal(heads[0]?.additions[0], heads[1]?.additions[0]);
  });

  it("agrees with a list of fields, whatever is there and whatever is asked for", () => {
    const name = fc.constantFrom("x-a", "X-A", "x-b", "x-request-id", "X-Request-Id", "cookie", "accept");
    const value = fc.constantFrom("", "1", "two words", "\u00e9");
    const field = fc.tuple(name, value);
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 8 }),
        fc.array(field, { maxLength: 4 }),
        fc.array(name),
        fc.array(field),
        (fields, added, remove, set) => {
          const head = request(fields.map(([key, text]) => `${key}: ${text}\r\n`).join(""));
          const before = added.map(([key, text]) => `${key.toLowerCase()}: ${text}\r\n`).join("");
          if (before !== "") head.add(toFieldLines(Buffer.from(before, "latin1")));
          applyRequestHeaders({ remove, set, add: added }, head);
          const gone = new Set([...remove, ...set.map(([key]) => key)].map((key) => key.toLowerCase()));
          const expected = [...[...fields, ...added].filter(([key]) => !gone.has(key.toLowerCase())), ...set, ...added];
          assert.deepEqual(
            linesOf(formatRequestHead(head)).map((line) => line.toLowerCase()),
            expected.map(([key, text]) => `${key}: ${text}`.toLowerCase()),
          );
        },
      ),
      { seed: 20261123, numRuns: 300 },
    );
  });
});

describe("applyResponseHeaders()", () => {
  it("changes each of several Set-Cookie fields, and keeps the body's length", () => {
    const fields = "Set-Cookie: a=1\r\nServer: app\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\n";
    const head = parseResponseHead(`HTTP/1.1 200 OK\r\n${fields}\r\n`);
    const add = [["set-cookie", "c=3"]] as const;
    applyResponseHeaders(changes({ remove: ["set-cookie"], set: [["server", "mesh"]], add }), head);
    assert.equal(
      formatResponseHead(head),
      "HTTP/1.1 200 OK\r\nserver: mesh\r\nset-cookie: c=3\r\ncontent-length: 5\r\n\r\n",
    );
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { acceptsGzip, chooseMedia, formatMedia, OBJECT_MEDIA, RESOURCE_MEDIA, WATCH_MEDIA } from "./negotiation.ts";
import { StatusError } from "./status.ts";

const JSON_TYPE = "application/json";
const YAML_TYPE = "application/yaml";
const TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1";
const OLD_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1beta1";
const PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

describe("chooseMedia()", () => {
  const cases: readonly (readonly [string | undefined, string])[] = [
    [undefined, JSON_TYPE],
    ["", JSON_TYPE],
    ["*/*", JSON_TYPE],
    ["application/*", JSON_TYPE],
    ["application/json, */*", JSON_TYPE],
    ["APPLICATION/YAML", YAML_TYPE],
    ["application/yaml;q=0.5, application/json;q=0.4", YAML_TYPE],
    ["application/json;q=0, */*", YAML_TYPE],
    ["application/yaml, application/json", YAML_TYPE],
    ["application/vnd.kubernetes.protobuf,application/json", JSON_TYPE],
    ["application/json;charset=utf-8", JSON_TYPE],
    ["application/json;stream=watch", JSON_TYPE],
    [`${TABLE},${OLD_TABLE},application/json`, TABLE],
    [`${OLD_TABLE},application/json`, OLD_TABLE],
    ["application/json;v=v1;g=meta.k8s.io;as=Table", TABLE],
    ['application/json;as="Table";g="meta.k8s.io";v="v1"', TABLE],
    ["application/json;as=Table;g=meta.k8s.io;v=v2,application/json", JSON_TYPE],
    [`application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,${PARTIAL}`, PARTIAL],
    ['text/plain;note="a,b;c", application/json', JSON_TYPE],
  ];
  for (const [accept, expected] of cases) {
    test(`takes ${expected} for ${accept === undefined ? "no header" : JSON.stringify(accept)}`, () => {
      assert.equal(formatMedia(chooseMedia(accept, RESOURCE_MEDIA)), expected);
    });
  }

  test("refuses what is not offered, with the list of what is", () => {
    for (const accept of [
      "text/html",
      "application/vnd.kubernetes.protobuf",
      TABLE,
      "application/json;q=0",
      "*/*;q=0",
    ]) {
      assert.throws(
        () => chooseMedia(accept, OBJECT_MEDIA),
        (error) => {
          assert.ok(error instanceof StatusError);
          assert.deepEqual([error.status.code, error.status.reason], [406, "NotAcceptable"]);
          assert.match(error.message, /expected application\/json, application\/yaml$/);
          return true;
        },
      );
    }
  });

  test("a watch is JSON or nothing", () => {
    assert.equal(formatMedia(chooseMedia(`${TABLE},application/json`, WATCH_MEDIA)), TABLE);
    assert.throws(() => chooseMedia(YAML_TYPE, WATCH_MEDIA), StatusError);
  });

  test("a header of any length and form is read or refused, and nothing else", () => {
    for (const accept of [",;=,", '"', 'application/json;x="\\', ";q=1", "a".repeat(100_000), ",".repeat(100_000)]) {
      try {
        chooseMedia(accept, RESOURCE_MEDIA);
      } catch (error) {
        assert.ok(error instanceof StatusError, accept.slice(0, 20));
      }
    }
  });
});

test("acceptsGzip() follows the qualities", () => {
  const cases: readonly (readonly [string | undefined, boolean])[] = [
    [undefined, false],
    ["", false],
    ["gzip", true],
    ["deflate, gzip;q=0.5", true],
    ["gzip;q=0", false],
    ["identity", false],
    ["*", true],
    ["gzip;q=0.2, identity;q=0.8", false],
  ];
  assert.deepEqual(
    cases.map(([header]) => acceptsGzip(header)),
    cases.map(([, expected]) => expected),
  );
});

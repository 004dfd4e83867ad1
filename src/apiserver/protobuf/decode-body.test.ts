import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import protobuf from "protobufjs/minimal.js";
import { validateResource } from "../../resources/validate.ts";
import { StatusError } from "../status.ts";
import { decodeProtobufBody } from "./decode-body.ts";

type Fields = readonly (readonly [number: number, value: string | number | boolean | Fields | Uint8Array])[];

/** As Kubernetes' clients write: every text, also an empty one; numbers and truths as varints. */
function encode(fields: Fields): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const [number, value] of fields) {
    if (typeof value === "number") writer.uint32(number << 3).int64(value);
    else if (typeof value === "boolean") writer.uint32(number << 3).bool(value);
    else if (typeof value === "string") writer.uint32((number << 3) | 2).string(value);
    else writer.uint32((number << 3) | 2).bytes(value instanceof Uint8Array ? value : encode(value));
  }
  return writer.finish();
}

function body(apiVersion: string, kind: string, fields: Fields): Buffer {
  const envelope = encode([
    [
      1,
      [
        [1, apiVersion],
        [2, kind],
      ],
    ],
    [2, encode(fields)],
    [3, ""],
    [4, ""],
  ]);
  return Buffer.concat([Buffer.from("k8s\0", "latin1"), envelope]);
}

/** What `kubectl create service clusterip web --tcp=80:8080` sends. */
const SERVICE: Fields = [
  [
    1,
    [
      [1, "web"],
      [2, ""],
      [3, "shop"],
      [5, ""],
      [7, 0],
      [8, []],
      [
        11,
        [
          [1, "app"],
          [2, "web"],
        ],
      ],
    ],
  ],
  [
    2,
    [
      [
        1,
        [
          [1, "80-8080"],
          [2, "TCP"],
          [3, 80],
          [
            4,
            [
              [1, 0],
              [2, 8080],
              [3, ""],
            ],
          ],
          [5, 0],
        ],
      ],
      [
        2,
        [
          [1, "app"],
          [2, "web"],
        ],
      ],
      [3, ""],
      [4, "ClusterIP"],
      [7, ""],
      [13, false],
    ],
  ],
  [3, [[1, []]]],
];

test("decodeProtobufBody() reads a Service as its JSON form would be, without what is empty", () => {
  assert.deepEqual(decodeProtobufBody(body("v1", "Service", SERVICE)), {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "shop", labels: { app: "web" } },
    spec: {
      ports: [{ name: "80-8080", protocol: "TCP", port: 80, targetPort: 8080 }],
      selector: { app: "web" },
      type: "ClusterIP",
    },
  });
  const { problems } = validateResource(decodeProtobufBody(body("v1", "Service", SERVICE)), { file: "body" });
  assert.deepEqual(problems, []);
});

test("decodeProtobufBody() keeps a false that is not nothing, times, names of ports and who set what", () => {
  const slice: Fields = [
    [
      1,
      [
        [1, "web-1"],
        [8, [[1, 1_767_225_600]]],
        [
          17,
          [
            [1, "me"],
            [4, [[1, 1_767_225_600]]],
            [7, [[1, '{"f:a":{}}']]],
          ],
        ],
      ],
    ],
    [
      2,
      [
        [1, "127.0.0.1"],
        [
          2,
          [
            [1, false],
            [2, true],
          ],
        ],
      ],
    ],
    [4, "IPv4"],
  ];
  assert.deepEqual(decodeProtobufBody(body("discovery.k8s.io/v1", "EndpointSlice", slice)), {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "web-1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      managedFields: [{ manager: "me", time: "2026-01-01T00:00:00Z", fieldsV1: { "f:a": {} } }],
    },
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: false, serving: true } }],
    addressType: "IPv4",
  });
});

test("decodeProtobufBody() reads DeleteOptions of any version", () => {
  const options: Fields = [
    [2, [[1, "uid"]]],
    [4, "Foreground"],
    [5, "All"],
  ];
  const expected = { preconditions: { uid: "uid" }, propagationPolicy: "Foreground", dryRun: ["All"] };
  const read = decodeProtobufBody(body("policy/v1", "DeleteOptions", options));
  assert.deepEqual(read, { apiVersion: "policy/v1", kind: "DeleteOptions", ...expected });
});

test("decodeProtobufBody() refuses unknown fields, kinds without such a form, and what is none", () => {
  const reasons = [
    body("v1", "Service", [[99, "new"]]),
    body("v1", "Service", [[1, [[99, "new"]]]]),
    body("v1", "Pod", []),
    Buffer.from("{}"),
    body("v1", "Service", SERVICE).subarray(0, 30),
    body("v1", "Service", [[1, 7]]),
    body("v1", "Namespace", [[1, [[1, new Uint8Array([0xff])]]]]),
  ].map((bytes) => {
    try {
      decodeProtobufBody(bytes);
      return "taken";
    } catch (error) {
      return error instanceof StatusError ? error.status.reason : String(error);
    }
  });
  const [bad, media] = ["BadRequest", "UnsupportedMediaType"];
  assert.deepEqual(reasons, [bad, bad, media, bad, bad, bad, bad]);
});

test("decodeProtobufBody() throws nothing but StatusErrors, whatever it is given", () => {
  const whole = body("v1", "Service", SERVICE);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(whole.length), (at, byte, end) => {
      const bytes = Buffer.from(whole);
      bytes[at] = byte;
      try {
        decodeProtobufBody(bytes.subarray(0, end));
      } catch (error) {
        assert.ok(error instanceof StatusError, String(error));
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
});

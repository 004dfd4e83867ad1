// Bodies in Kubernetes' protobuf, cut at every byte and changed at random, over real HTTP: the server answers each, and what it did
// not accept changed nothing.
import assert from "node:assert/strict";
import { Agent, request as openRequest } from "node:http";
import { test } from "node:test";
import protobuf from "protobufjs/minimal.js";
import { startTestApi } from "../../src/apiserver/start-test-api.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { systemClock } from "../../src/time/system-clock.ts";

type Fields = readonly (readonly [number: number, value: string | number | boolean | Fields])[];

const TOKEN = "token-of-the-test-mesh";
const LIMIT_MS = 10_000;
const CHANGED = 1_500;

function encode(fields: Fields): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const [number, value] of fields) {
    if (typeof value === "number") writer.uint32(number << 3).int64(value);
    else if (typeof value === "boolean") writer.uint32(number << 3).bool(value);
    else if (typeof value === "string") writer.uint32((number << 3) | 2).string(value);
    else writer.uint32((number << 3) | 2).bytes(encode(value));
  }
  return writer.finish();
}

/** k8s.io/apimachinery runtime.Unknown behind its magic number. */
function body(kind: string, fields: Fields): Buffer {
  const type: Fields = [
    [1, "v1"],
    [2, kind],
  ];
  const raw = encode(fields);
  const writer = protobuf.Writer.create();
  writer.uint32((1 << 3) | 2).bytes(encode(type));
  writer.uint32((2 << 3) | 2).bytes(raw);
  return Buffer.concat([Buffer.from("k8s\0", "latin1"), writer.finish()]);
}

const label: Fields = [
  [1, "app"],
  [2, "web"],
];
const meta = (name: string): Fields => [
  [1, name],
  [3, "default"],
  [11, label],
];
const SENT: readonly (readonly [path: string, body: Buffer])[] = [
  ["/api/v1/namespaces", body("Namespace", [[1, [[1, "shop"]]]])],
  ["/api/v1/namespaces/default/serviceaccounts", body("ServiceAccount", [[1, meta("web")]])],
  [
    "/api/v1/namespaces/default/services",
    body("Service", [
      [1, meta("web")],
      [
        2,
        [
          [
            1,
            [
              [1, "http"],
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
            ],
          ],
          [2, label],
        ],
      ],
    ]),
  ],
];

test("a protobuf body that is cut or changed never breaks the server, and never half-applies", async () => {
  const random = createSeededRandom(11);
  const store = createMemoryStore({ clock: systemClock, random });
  const api = await startTestApi({ store });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (method: string, path: string, bytes: Buffer): Promise<number> =>
    new Promise((resolve, reject) => {
      const request = openRequest(
        {
          ...{ agent, method, path, host: "127.0.0.1", port: api.port, timeout: LIMIT_MS },
          headers: {
            authorization: `Bearer ${TOKEN}`,
            "content-type": "application/vnd.kubernetes.protobuf",
            "content-length": bytes.length,
          },
        },
        (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode ?? 0));
        },
      );
      request.on("timeout", () => request.destroy(new Error(`No answer to ${method} ${path}`)));
      request.on("error", reject);
      request.end(bytes);
    });
  const attack = async (path: string, bytes: Buffer): Promise<number> => {
    const before = await store.listAll();
    const status = await send("POST", path, bytes);
    const after = await store.listAll();
    assert.ok(status >= 200 && status < 500, `${status} for ${bytes.toString("hex")}`);
    if (status >= 400) assert.deepEqual(after, before, bytes.toString("hex"));
    else
      for (const { metadata } of after.items.slice(before.items.length)) {
        const own = path === "/api/v1/namespaces" ? path : path.replace("default", metadata.namespace);
        await send("DELETE", `${own}/${metadata.name}`, Buffer.alloc(0));
      }
    return status;
  };
  try {
    const counts = { refused: 0, accepted: 0 };
    for (const [path, whole] of SENT) {
      assert.equal(await attack(path, whole), 201, path);
      for (let length = 0; length < whole.length; length += 1) {
        const status = await attack(path, whole.subarray(0, length));
        if (status >= 400) counts.refused += 1;
      }
    }
    for (let done = 0; done < CHANGED; done += 1) {
      const [path, whole] = SENT[done % SENT.length] ?? assert.fail();
      const changed = Buffer.from(whole);
      for (let times = random.below(3); times >= 0; times -= 1)
        changed[random.below(changed.length)] = random.below(256);
      const status = await attack(path, changed);
      if (status >= 400) counts.refused += 1;
      else counts.accepted += 1;
    }
    // Neither is rare: else the test would say little.
    assert.ok(counts.refused > 1_000 && counts.accepted > 10, JSON.stringify(counts));
  } finally {
    agent.destroy();
    await api.close();
  }
});

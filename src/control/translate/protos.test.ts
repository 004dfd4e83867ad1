import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import * as generated from "#gen/protos.js";
import type { MessageType } from "#gen/protos.js";

// The generated code against the definitions it was made from: every field of every listed message is set, encoded by
// reflection over the original files, and must come back from the generated code byte for byte with nothing unknown.

interface Listed {
  readonly files: readonly string[];
  readonly messages: readonly string[];
}

const root = path.dirname(path.dirname(fileURLToPath(import.meta.resolve("#gen/protos.js"))));
const listed: Listed = JSON.parse(readFileSync(path.join(root, "scripts/proto-types.json"), "utf8"));
const originals = loadOriginals();

for (const name of listed.messages) {
  test(`gen/protos.js ${name} has the field numbers and types of its definition`, () => {
    const original = originals.lookupType(name);
    const ours = findGenerated(name);
    for (const choice of choices(original)) {
      const sample = fill(original, choice);
      const bytes = original.encode(original.fromObject(sample)).finish();
      const decoded = ours.decode(bytes);
      assertNothingUnknown(decoded, name);
      assert.deepEqual(
        [...ours.encode(decoded).finish()],
        [...bytes],
        `${name} encoded again, with ${[...choice].join(", ")}`,
      );
      for (const field of original.fieldsArray) {
        const camel = protobuf.util.camelCase(field.name);
        const isSet = field.partOf === null || choice.has(field.name);
        assert.equal(Object.hasOwn(decoded, camel), isSet, `presence of ${name}.${camel}`);
      }
    }
  });
}

test("gen/protos.js keeps a field of an unlisted message type as bytes", () => {
  const original = originals.lookupType("envoy.config.route.v3.RouteAction");
  const bytes = original.encode(original.fromObject({ cluster: "a", cors: { allowMethods: "GET" } })).finish();
  const decoded = generated.envoy.config.route.v3.RouteAction.decode(bytes);
  assert.equal(decoded.cluster, "a");
  assert.ok(decoded.cors instanceof Uint8Array && decoded.cors.length > 0);
});

test("gen/protos.js reads 64-bit integers as numbers", () => {
  const bytes = generated.weft.v1.EdgeDelta.encode({
    success: 2 ** 53 - 1,
    latencyBuckets: [0, 1, 2 ** 40],
    failureCode: { no_endpoint: 7 },
  }).finish();
  const decoded = generated.weft.v1.EdgeDelta.decode(bytes);
  assert.equal(decoded.success, 2 ** 53 - 1);
  assert.equal(decoded.failure, 0);
  assert.deepEqual(decoded.latencyBuckets, [0, 1, 2 ** 40]);
  assert.deepEqual({ ...decoded.failureCode }, { no_endpoint: 7 });
});

function loadOriginals(): protobuf.Root {
  const deps = path.join(root, "node_modules/@grpc/grpc-js-xds/deps");
  const folders = ["envoy-api", "googleapis", "protoc-gen-validate", "xds"].map((folder) => path.join(deps, folder));
  folders.push(path.join(root, "proto"), path.join(root, "node_modules/protobufjs"));
  const originalRoot = new protobuf.Root();
  originalRoot.resolvePath = (_origin, target) => {
    if (protobuf.common.get(target) !== null) return target;
    return folders.map((folder) => path.join(folder, target)).find((file) => existsSync(file)) ?? null;
  };
  originalRoot.loadSync([...listed.files]);
  originalRoot.resolveAll();
  return originalRoot;
}

function findGenerated(fullName: string): MessageType<object> {
  let node: unknown = generated;
  for (const part of fullName.split(".")) node = (node as Record<string, unknown>)[part];
  assert.ok(node, `${fullName} is missing in gen/protos.js`);
  return node as MessageType<object>;
}

/** Sets of oneof members such that each member is in one of them. */
function choices(type: protobuf.Type): ReadonlySet<string>[] {
  const groups = type.oneofsArray.map((oneof) => oneof.oneof);
  const count = Math.max(1, ...groups.map((group) => group.length));
  const sets: Set<string>[] = [];
  for (let i = 0; i < count; i += 1) sets.push(new Set(groups.map((group) => group[i % group.length] ?? "")));
  return sets;
}

function fill(type: protobuf.Type, choice: ReadonlySet<string>): Record<string, unknown> {
  const sample: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    if (field.partOf !== null && !choice.has(field.name)) continue;
    const one = sampleValue(field);
    if (field instanceof protobuf.MapField) sample[field.name] = { [field.keyType === "string" ? "key" : "3"]: one };
    else sample[field.name] = field.repeated ? [one, one] : one;
  }
  return sample;
}

function sampleValue(field: protobuf.Field): unknown {
  const target = field.resolvedType;
  if (target instanceof protobuf.Enum) return Object.values(target.values).find((value) => value !== 0) ?? 0;
  // Nested messages have tests of their own; here one scalar inside is enough to be more than empty.
  if (target instanceof protobuf.Type) {
    const scalar = target.fieldsArray.find(
      (inner) => inner.resolvedType === null && !(inner instanceof protobuf.MapField),
    );
    if (scalar === undefined) return {};
    const value = sampleValue(scalar);
    return { [scalar.name]: scalar.repeated ? [value] : value };
  }
  switch (field.type) {
    case "string":
      return `${field.name} ü`;
    case "bytes":
      return Buffer.from([1, 2, 255]);
    case "bool":
      return true;
    case "double":
    case "float":
      return -1.5;
    case "int64":
    case "sint64":
    case "sfixed64":
      return -(2 ** 40) - field.id;
    case "uint64":
    case "fixed64":
      return 2 ** 40 + field.id;
    default:
      return 1000 + field.id;
  }
}

function assertNothingUnknown(value: unknown, where: string): void {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return;
  assert.ok(!Object.hasOwn(value, "$unknowns"), `unknown fields in ${where}`);
  for (const [key, inner] of Object.entries(value)) assertNothingUnknown(inner, `${where}.${key}`);
}

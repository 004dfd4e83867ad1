import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { fromZod } from "./from-zod.ts";
import type { JsonSchema } from "./json-schema.ts";

const ANYTHING: JsonSchema = { "x-kubernetes-preserve-unknown-fields": true };

describe("fromZod()", () => {
  const cases: readonly (readonly [string, z.ZodType, JsonSchema])[] = [
    ["a text", z.string(), { type: "string" }],
    ["a whole number", z.int(), { type: "integer", format: "int64" }],
    ["a port", z.int().min(1).max(65_535), { type: "integer", format: "int32", minimum: 1, maximum: 65_535 }],
    [
      "a number with bounds",
      z.number().min(0).max(100),
      { type: "number", format: "double", minimum: 0, maximum: 100 },
    ],
    ["words", z.enum(["a", "b"]).default("a"), { type: "string", enum: ["a", "b"], default: "a" }],
    ["one word", z.literal("a"), { type: "string", enum: ["a"] }],
    ["some numbers", z.union([z.literal(301), z.literal(302)]), { type: "integer", enum: [301, 302] }],
    ["what is read in another form", z.preprocess((value) => value ?? "", z.string()), { type: "string" }],
    ["what is kept in another form", z.string().transform((text) => text.length), { type: "string" }],
    ["null or a text", z.string().nullable(), { type: "string", nullable: true }],
    [
      "a number or a text",
      z.union([z.int(), z.enum(["auto"])]),
      { $ref: "io.k8s.apimachinery.pkg.util.intstr.IntOrString" },
    ],
    [
      "a text or an object",
      z.union([z.string(), z.object({ min: z.string() })]),
      { properties: { min: { type: "string" } }, anyOf: [{ type: "string" }, { type: "object" }], ...ANYTHING },
    ],
    ["anything", z.unknown(), ANYTHING],
    ["texts by name", z.record(z.string(), z.string()), { type: "object", additionalProperties: { type: "string" } }],
    ["anything by name", z.record(z.string(), z.unknown()), { type: "object", ...ANYTHING }],
    [
      "an object, with what it needs and what may be null",
      z.object({
        needed: z.string(),
        optional: z.string().exactOptional(),
        filled: z.string().default("x"),
        forgiven: z.preprocess((value) => value ?? [], z.array(z.string())),
        refused: z.never().exactOptional(),
      }),
      {
        type: "object",
        required: ["needed"],
        properties: {
          needed: { type: "string" },
          optional: { type: "string" },
          filled: { type: "string", default: "x" },
          forgiven: { type: "array", items: { type: "string" }, nullable: true },
        },
      },
    ],
  ];
  for (const [name, schema, expected] of cases) {
    test(`describes ${name}`, () => {
      assert.deepEqual(fromZod(schema), expected);
    });
  }
});

import protobuf from "protobufjs/minimal.js";
import { formatWallTime } from "../../time/wall-time.ts";
import { type JsonObject, writeField } from "../patch/json-value.ts";
import type { FieldType, MessageType } from "./message-type.ts";

type Reader = protobuf.Reader;

const INT = 0;
const LENGTH = 2;

/**
 * A message as the JSON object that the same client would have written: what is empty is left out. Fields it does not
 * know are reported to `onUnknown`. Throws an Error when the bytes are no such message.
 */
export function decodeMessage(bytes: Uint8Array, type: MessageType, onUnknown: (field: string) => void): JsonObject {
  const reader = protobuf.Reader.create(bytes);
  const object: Record<string, unknown> = {};
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const field = type.get(tag >>> 3);
    if (field === undefined) {
      onUnknown(`field ${tag >>> 3}`);
      reader.skipType(tag & 7);
      continue;
    }
    const onUnknownBelow = (below: string): void => onUnknown(`${field.name}.${below}`);
    addValue(object, field, readValue(reader, tag & 7, { field, onUnknown: onUnknownBelow }));
  }
  return object;
}

interface Reading {
  readonly field: FieldType;
  readonly onUnknown: (field: string) => void;
}

/** Undefined: the same as nothing. */
function readValue(reader: Reader, wireType: number, { field, onUnknown }: Reading): unknown {
  const { type } = field;
  if (wireType !== (type === "int" || type === "bool" ? INT : LENGTH)) {
    throw new Error(`${field.name} of wire type ${wireType}`);
  }
  if (field.repeated === "map") return readMapEntry(reader.bytes());
  if (type === "int") return Number(reader.int64()) || undefined;
  if (type === "bool") return reader.bool() || (field.isFalseLeftOut === true ? undefined : false);
  if (type === "string") return readText(reader.bytes(), field);
  if (type === "time") return readTime(reader.bytes());
  if (type === "intOrString") return readIntOrString(reader.bytes());
  if (type === "bytes") return reader.bytes();
  if (type === "json") return readJson(reader.bytes());
  const message = decodeMessage(reader.bytes(), type, onUnknown);
  return field.repeated === undefined && Object.keys(message).length === 0 ? undefined : message;
}

function addValue(object: Record<string, unknown>, { name, repeated }: FieldType, value: unknown): void {
  if (value === undefined) return;
  if (repeated === "list") {
    const list = (object[name] ??= []) as unknown[];
    list.push(value);
  } else if (repeated === "map") {
    const map = (object[name] ??= {}) as Record<string, unknown>;
    const [key, text] = value as readonly [string, string];
    writeField(map, key, text);
  } else {
    object[name] = value;
  }
}

function readText(bytes: Uint8Array, { repeated }: FieldType): string | undefined {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  // In a list an empty text is an entry; elsewhere it is how nothing is written.
  return text === "" && repeated === undefined ? undefined : text;
}

const ENTRY: MessageType = new Map<number, FieldType>([
  [1, { name: "key", type: "string" }],
  [2, { name: "value", type: "string" }],
]);

function readMapEntry(bytes: Uint8Array): readonly [string, string] {
  const { key = "", value = "" } = decodeMessage(bytes, ENTRY, () => undefined);
  return [String(key), String(value)];
}

const TIME: MessageType = new Map<number, FieldType>([
  [1, { name: "seconds", type: "int" }],
  [2, { name: "nanos", type: "int" }],
]);

function readTime(bytes: Uint8Array): string | undefined {
  const { seconds } = decodeMessage(bytes, TIME, () => undefined);
  if (seconds === undefined) return undefined;
  return formatWallTime(Number(seconds) * 1000).replace(".000Z", "Z");
}

const INT_OR_STRING: MessageType = new Map<number, FieldType>([
  [1, { name: "type", type: "int" }],
  [2, { name: "int", type: "int" }],
  [3, { name: "text", type: "string" }],
]);

function readIntOrString(bytes: Uint8Array): unknown {
  const { type, int, text } = decodeMessage(bytes, INT_OR_STRING, () => undefined);
  return type === 1 ? text : int;
}

const RAW: MessageType = new Map<number, FieldType>([[1, { name: "raw", type: "string" }]]);

function readJson(bytes: Uint8Array): unknown {
  const { raw } = decodeMessage(bytes, RAW, () => undefined);
  return typeof raw === "string" ? (JSON.parse(raw) as unknown) : undefined;
}

/** How a field of a protobuf message becomes a field of a JSON object. */
export interface FieldType {
  readonly name: string;
  readonly type: "string" | "int" | "bool" | "time" | "intOrString" | "json" | "bytes" | MessageType;
  /** A list, or an object of strings by name. */
  readonly repeated?: "list" | "map";
  /** False means the same as nothing, and is left out. */
  readonly isFalseLeftOut?: boolean;
}

/** By field number. */
export type MessageType = ReadonlyMap<number, FieldType>;

/**
 * A message from lines of `number name type`, where type is "string", "int", "bool", "time", …, a name in `messages`,
 * each maybe with "[]" behind, or "map".
 */
export function defineMessage(lines: string, messages: Readonly<Record<string, MessageType>> = {}): MessageType {
  return new Map(
    lines
      .trim()
      .split("\n")
      .map((line) => toField(line.trim().split(/\s+/), messages)),
  );
}

const SCALARS: readonly string[] = ["string", "int", "bool", "time", "intOrString", "json", "bytes"];

function toField(
  [number = "", name = "", written = ""]: readonly string[],
  messages: Readonly<Record<string, MessageType>>,
): readonly [number, FieldType] {
  if (written === "map") return [Number(number), { name, type: "string", repeated: "map" }];
  if (written === "flag") return [Number(number), { name, type: "bool", isFalseLeftOut: true }];
  const isList = written.endsWith("[]");
  const word = isList ? written.slice(0, -2) : written;
  const type = messages[word] ?? word;
  if (typeof type === "string" && !SCALARS.includes(type)) throw new TypeError(`Cannot define "${name}": no "${word}"`);
  return [Number(number), { name, type: type as FieldType["type"], ...(isList ? { repeated: "list" as const } : {}) }];
}

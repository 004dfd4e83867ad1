import type { google } from "#gen/protos.js";
import { type NumberRange, requireNumber } from "./require-number.ts";
import { ConfigRefusal } from "./refuse.ts";

type Value = google.protobuf.Value;

/**
 * Reads the fields of a google.protobuf.Struct one by one, each with its type and range; refuses what is of another kind.
 * `finish()` refuses keys that nobody asked for. A fallback of null makes a field required.
 */
export class StructReader {
  readonly path: string;
  readonly #fields: ReadonlyMap<string, Value>;
  readonly #read: Set<string> = new Set();

  constructor(struct: google.protobuf.Struct, path: string) {
    this.path = path;
    this.#fields = new Map(Object.entries(struct.fields ?? {}));
  }

  has(key: string): boolean {
    return this.#fields.has(key);
  }

  keys(): string[] {
    return [...this.#fields.keys()];
  }

  number(key: string, fallback: number | null, range: NumberRange): number {
    const value = this.#take(key);
    if (value === null) return fallback ?? this.#missing(key);
    if (typeof value.numberValue !== "number") return this.#mismatch(key, "a number");
    return requireNumber(value.numberValue, range, this.at(key));
  }

  /** `form` tests the text, and `expected` says what it should be. */
  text(key: string, fallback: string | null, form: RegExp | null = null, expected: string = "other text"): string {
    const value = this.#take(key);
    if (value === null) return fallback ?? this.#missing(key);
    const text = value.stringValue;
    if (typeof text !== "string") return this.#mismatch(key, "a text");
    if (form !== null && !form.test(text)) throw new ConfigRefusal(this.at(key), JSON.stringify(text), expected);
    return text;
  }

  choice<T extends string>(key: string, fallback: T | null, choices: readonly T[]): T {
    const text = this.text(key, fallback);
    const choice = choices.find((candidate) => candidate === text);
    if (choice !== undefined) return choice;
    throw new ConfigRefusal(this.at(key), JSON.stringify(text), `one of ${choices.join(", ")}`);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#take(key);
    if (value === null) return fallback;
    return typeof value.boolValue === "boolean" ? value.boolValue : this.#mismatch(key, "true or false");
  }

  /** Null when absent. */
  object(key: string): StructReader | null {
    const value = this.#take(key);
    if (value === null) return null;
    return value.structValue == null ? this.#mismatch(key, "an object") : this.#nest(value.structValue, this.at(key));
  }

  /** Empty when absent. */
  objects(key: string): StructReader[] {
    return this.#list(key).map((value, index) => {
      const at = `${this.at(key)}[${index}]`;
      if (value.structValue == null) throw new ConfigRefusal(at, describeKind(value), "an object");
      return this.#nest(value.structValue, at);
    });
  }

  /** Empty when absent. */
  texts(key: string): string[] {
    return this.#list(key).map((value, index) => {
      if (typeof value.stringValue === "string") return value.stringValue;
      throw new ConfigRefusal(`${this.at(key)}[${index}]`, describeKind(value), "a text");
    });
  }

  /** Empty when absent. */
  numbers(key: string, range: NumberRange): number[] {
    return this.#list(key).map((value, index) => {
      const at = `${this.at(key)}[${index}]`;
      if (typeof value.numberValue === "number") return requireNumber(value.numberValue, range, at);
      throw new ConfigRefusal(at, describeKind(value), "a number");
    });
  }

  at(key: string): string {
    return `${this.path}.${key}`;
  }

  /** Call it last. */
  finish(): void {
    for (const key of this.#fields.keys()) {
      if (this.#read.has(key)) continue;
      const known = this.#read.size === 0 ? "nothing" : `only ${[...this.#read].sort().join(", ")}`;
      throw new ConfigRefusal(this.path, `key "${key}"`, known);
    }
  }

  #take(key: string): Value | null {
    this.#read.add(key);
    return this.#fields.get(key) ?? null;
  }

  #list(key: string): readonly Value[] {
    const value = this.#take(key);
    if (value === null) return [];
    return value.listValue == null ? this.#mismatch(key, "a list") : (value.listValue.values ?? []);
  }

  #nest(struct: google.protobuf.Struct, path: string): StructReader {
    return new StructReader(struct, path);
  }

  #missing(key: string): never {
    throw new ConfigRefusal(this.at(key), "nothing", "a value");
  }

  #mismatch(key: string, expected: string): never {
    throw new ConfigRefusal(this.at(key), describeKind(this.#fields.get(key)), expected);
  }
}

function describeKind(value: Value | undefined): string {
  if (value?.structValue != null) return "an object";
  if (value?.listValue != null) return "a list";
  return JSON.stringify(value?.stringValue ?? value?.numberValue ?? value?.boolValue ?? null);
}

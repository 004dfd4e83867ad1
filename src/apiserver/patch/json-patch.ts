import { StatusError } from "../status.ts";
import { parseIndex, parsePointer } from "./json-pointer.ts";
import { clone, describeShape, isEqual, isObject, MAX_DEPTH, measure, readField, writeField } from "./json-value.ts";

/** As in Kubernetes. */
const MAX_OPERATIONS = 10_000;

/** Values and characters moved about by one patch: what a few operations can be made to cost (each `copy` may double). */
const MAX_WORK = 20_000_000;

/**
 * Applies an RFC 6902 document to `live` and returns the outcome; changes neither. Throws StatusError: BadRequest when
 * the patch is not a list of operations, RequestEntityTooLarge when it is too long or does too much, Invalid when an
 * operation fails (a `test` too), after which nothing of the patch has been done.
 */
export function applyJsonPatch(live: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) {
    throw new StatusError(
      "BadRequest",
      `Cannot apply a JSON patch: found ${describeShape(patch)}; expected a list of operations`,
    );
  }
  if (patch.length > MAX_OPERATIONS) {
    throw new StatusError(
      "RequestEntityTooLarge",
      `Cannot apply a JSON patch: found ${patch.length} operations; expected at most ${MAX_OPERATIONS}`,
    );
  }
  measure(patch, "the patch");
  measure(live, "the object");
  const document = new PatchedDocument(clone(live));
  for (const [index, operation] of patch.entries()) document.apply(operation, index);
  measure(document.root, "the patched object");
  return document.root;
}

type Container = unknown[] | Record<string, unknown>;

/** A place that an operation names: the container, and the last token of the pointer. */
interface Place {
  readonly container: Container;
  readonly token: string;
}

/** Owns its tree: everything that comes in is a copy. */
class PatchedDocument {
  root: unknown;
  #work = 0;
  /** Of the operation at hand, for messages. */
  #label = "";

  constructor(root: unknown) {
    this.root = root;
  }

  apply(operation: unknown, index: number): void {
    if (!isObject(operation)) {
      throw new StatusError(
        "BadRequest",
        `Cannot apply operation ${index} of the JSON patch: found ${describeShape(operation)}; expected an object`,
      );
    }
    const op = readField(operation, "op");
    const path = readField(operation, "path");
    this.#label = `operation ${index} (${shorten(op)} ${shorten(path)})`;
    const tokens = this.#parse(path, "path");
    if (op === "add") this.#add(tokens, this.#valueOf(operation));
    else if (op === "remove") this.#remove(tokens);
    else if (op === "replace") this.#replace(tokens, this.#valueOf(operation));
    else if (op === "test") this.#test(tokens, this.#valueOf(operation));
    else if (op === "copy") this.#add(tokens, this.#copyOf(this.#parse(readField(operation, "from"), "from")));
    else if (op === "move") this.#move(this.#parse(readField(operation, "from"), "from"), tokens);
    else this.#fail(`op ${describeText(op)}`, "add, remove, replace, move, copy or test");
  }

  #valueOf(operation: Readonly<Record<string, unknown>>): unknown {
    if (!Object.hasOwn(operation, "value")) this.#fail("no value", "one (null is a value)");
    return clone(operation["value"]);
  }

  #parse(text: unknown, field: string): readonly string[] {
    const tokens = typeof text === "string" ? parsePointer(text) : null;
    if (tokens === null) this.#fail(`${field} ${describeText(text)}`, 'a JSON pointer, e.g. "/metadata/labels/app"');
    if (tokens.length >= MAX_DEPTH) this.#fail(`${tokens.length} levels in ${field}`, `fewer than ${MAX_DEPTH}`);
    return tokens;
  }

  #add(tokens: readonly string[], value: unknown): void {
    const place = this.#find(tokens);
    if (place === null) this.root = value;
    else if (!Array.isArray(place.container)) writeField(place.container, place.token, value);
    else {
      const { container, token } = place;
      const index = token === "-" ? container.length : this.#indexIn(container, token, container.length);
      this.#charge(container.length - index);
      container.splice(index, 0, value);
    }
  }

  #remove(tokens: readonly string[]): void {
    const place = this.#find(tokens) ?? this.#fail("the whole object", "a part of it");
    this.#read(place);
    if (!Array.isArray(place.container)) {
      delete place.container[place.token];
      return;
    }
    this.#charge(place.container.length);
    place.container.splice(Number(place.token), 1);
  }

  #replace(tokens: readonly string[], value: unknown): void {
    const place = this.#find(tokens);
    if (place === null) {
      this.root = value;
      return;
    }
    this.#read(place);
    if (Array.isArray(place.container)) place.container[Number(place.token)] = value;
    else writeField(place.container, place.token, value);
  }

  #test(tokens: readonly string[], value: unknown): void {
    const found = this.#get(tokens);
    this.#charge(measure(value, "the value"));
    if (!isEqual(found, value)) this.#fail(abbreviate(found), abbreviate(value));
  }

  #move(from: readonly string[], to: readonly string[]): void {
    if (from.length < to.length && from.every((token, index) => token === to[index]))
      this.#fail("a move into itself", "a path outside of what is moved");
    const value = this.#get(from);
    this.#charge(measure(value, "what is moved"));
    if (from.length === to.length && from.every((token, index) => token === to[index])) return;
    this.#remove(from);
    this.#add(to, value);
  }

  #copyOf(from: readonly string[]): unknown {
    const value = this.#get(from);
    this.#charge(measure(value, "what is copied"));
    return clone(value);
  }

  /** Null = the whole document. */
  #find(tokens: readonly string[]): Place | null {
    const token = tokens.at(-1);
    if (token === undefined) return null;
    const container = this.#get(tokens.slice(0, -1));
    if (typeof container !== "object" || container === null)
      this.#fail(`${describeShape(container)} above the last part of the path`, "an object or a list");
    return { container: container as Container, token };
  }

  #get(tokens: readonly string[]): unknown {
    let value = this.root;
    for (const token of tokens) {
      if (typeof value !== "object" || value === null)
        this.#fail(`${describeShape(value)} before "${token}"`, "an object or a list");
      value = this.#read({ container: value as Container, token });
    }
    return value;
  }

  #read({ container, token }: Place): unknown {
    if (Array.isArray(container)) return container[this.#indexIn(container, token, container.length - 1)];
    if (!Object.hasOwn(container, token)) this.#fail(`no field "${token}"`, "one that is there");
    return container[token];
  }

  #indexIn(container: readonly unknown[], token: string, last: number): number {
    const index = parseIndex(token);
    if (index === null || index > last)
      this.#fail(
        `index "${token}" in a list of ${container.length}`,
        last < 0 ? "a list with entries" : `0 to ${last}`,
      );
    return index;
  }

  #charge(work: number): void {
    this.#work += work;
    if (this.#work <= MAX_WORK) return;
    throw new StatusError(
      "RequestEntityTooLarge",
      `Cannot apply ${this.#label}: found a patch that copies too much; expected less in one patch`,
    );
  }

  #fail(found: string, expected: string): never {
    throw new StatusError("Invalid", `Cannot apply ${this.#label}: found ${found}; expected ${expected}`);
  }
}

function shorten(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 100) : describeShape(value);
}

function describeText(value: unknown): string {
  return typeof value === "string" ? abbreviate(value) : describeShape(value);
}

function abbreviate(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}

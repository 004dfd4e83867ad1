import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

/** One wrong resource: what it is, and every message about it. */
export interface WrongResource {
  /** Of the file, and the change: `service: spec.ports[0].port = 0`. */
  readonly title: string;
  readonly input: unknown;
  /** `path: found …; expected …`, in order. */
  readonly says: readonly string[];
}

export interface WrongKind {
  readonly file: string;
  /** Valid. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly wrong: readonly WrongResource[];
}

interface CorpusFile {
  readonly base: Readonly<Record<string, unknown>>;
  readonly cases: readonly { readonly change: Readonly<Record<string, unknown>>; readonly says: readonly string[] }[];
}

const ABSENT = "absent";

/** Every file of a folder as `test/fixtures/wrong-resources` has them: a valid resource, and changes that make it wrong. */
export function readWrongResources(folder: string): readonly WrongKind[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => {
      const { base, cases } = parse(readFileSync(join(folder, file), "utf8")) as CorpusFile;
      const wrong = cases.map(({ change, says }) => ({
        title: `${file.replace(".yaml", "")}: ${describeChange(change)}`,
        input: Object.entries(change).reduce<unknown>(
          (input, [path, value]) => changeAt(input, parsePath(path), value),
          base,
        ),
        says,
      }));
      return { file, base, wrong };
    });
}

function describeChange(change: Readonly<Record<string, unknown>>): string {
  return Object.entries(change)
    .map(([path, value]) => `${path} = ${value === ABSENT ? "absent" : JSON.stringify(value)}`)
    .join(", ")
    .slice(0, 120);
}

/** `spec.ports[0].port` as its steps. */
function parsePath(path: string): readonly (string | number)[] {
  return [...path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, key, index]) => (key === undefined ? Number(index) : key));
}

/** A copy with `value` at `path`; without the field when it is "absent". */
function changeAt(input: unknown, [step, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (step === undefined) return value;
  if (typeof step === "number") {
    const list = [...(Array.isArray(input) ? (input as readonly unknown[]) : [])];
    list[step] = changeAt(list[step], rest, value);
    return list;
  }
  const object = { ...(input as Readonly<Record<string, unknown>> | undefined) };
  if (rest.length === 0 && value === ABSENT) delete object[step];
  else object[step] = changeAt(object[step], rest, value);
  return object;
}

import type { Random } from "../../src/random/random.ts";

/** A request that may be anything: what somebody's broken tool, or somebody who tries, would send. */
export interface Mutant {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Of the object, or of its collection. */
  readonly toObject: boolean;
  readonly query: string;
  readonly contentType: string;
  readonly body: string;
}

const STRANGE: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1.5,
    65_536,
    2 ** 53,
    1e308,
    "",
    " ",
    "a".repeat(300),
    "\u0000",
    "\ud83d\ude00",
    "../x",
  ],
  ...["__proto__", "constructor", "${x}", "{{x}}", "-1", "NaN", "*", "default/web", "2026-01-01", [], {}, [[]], [null]],
  ...[JSON.parse('{"__proto__":{"polluted":1}}'), { "": "" }, { name: "web" }, [{ name: "a" }, { name: "a" }]],
];
const NAMES: readonly string[] = [
  "name",
  "spec",
  "kind",
  "metadata",
  "__proto__",
  "toString",
  "ports",
  "x",
  "",
  "a.b",
  "0",
];
const PATCH_TYPES: readonly string[] = [
  ...["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"],
  ...["application/apply-patch+yaml", "application/json", "text/plain", "application/vnd.kubernetes.protobuf", ""],
];
const QUERIES: readonly string[] = [
  ...["", "", "", "?dryRun=All", "?dryRun=Some", "?fieldManager=m", "?fieldManager=m&force=true", "?force=maybe"],
  ...["?fieldValidation=Strict", "?fieldValidation=Ignore", "?fieldValidation=x", "?propagationPolicy=Foreground"],
];
const JSON_PATCH_OPERATIONS: readonly string[] = ["add", "remove", "replace", "move", "copy", "test", "swap"];

/** What comes of a valid document when a few things in it, and in how it is sent, are changed at random. */
export function mutateDocument(base: unknown, random: Random): Mutant {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T; // no list is empty
  let document: unknown = structuredClone(base);
  // Some stay right, so that what follows meets a server that has changed.
  if (random.below(3) === 0) document = withLabel(document, `v${random.below(1_000)}`);
  else for (let left = 1 + random.below(3); left > 0; left -= 1) document = changeOne(document, random);
  const method = pick(["POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "PATCH", "DELETE"] as const);
  const shape = { method, toObject: method !== "POST" || random.below(8) === 0, query: pick(QUERIES) };
  if (method === "PATCH") {
    const contentType = random.below(8) === 0 ? pick(PATCH_TYPES) : pick(PATCH_TYPES.slice(0, 4));
    const body = contentType === PATCH_TYPES[0] ? JSON.stringify(createJsonPatch(random)) : spoil(document, random);
    return { ...shape, contentType, body };
  }
  const contentType = random.below(12) === 0 ? pick(PATCH_TYPES) : "application/json";
  return { ...shape, contentType, body: spoil(document, random) };
}

function withLabel(document: unknown, value: string): unknown {
  const object = document as { readonly metadata: Readonly<Record<string, unknown>> };
  return { ...object, metadata: { ...object.metadata, labels: { mutant: value } } };
}

/** One field or item somewhere gets another value, goes, comes twice, or gets another name. */
function changeOne(node: unknown, random: Random): unknown {
  const strange = (): unknown => STRANGE[random.below(STRANGE.length)];
  if (typeof node !== "object" || node === null || random.below(8) === 0) return strange();
  if (Array.isArray(node)) {
    const list = [...(node as readonly unknown[])];
    const index = random.below(list.length + 1);
    if (random.below(5) === 0) list.splice(index, 1);
    else if (random.below(4) === 0) list.splice(index, 0, list[0] ?? strange());
    else list[Math.min(index, Math.max(0, list.length - 1))] = changeOne(list[index], random);
    return list;
  }
  const entries = Object.entries(node);
  const index = random.below(entries.length + 1);
  const [name, value] = entries[index] ?? [NAMES[random.below(NAMES.length)] ?? "", strange()];
  const way = random.below(10);
  // Of entries, so that `__proto__` is a field like others, as it is in JSON.
  const next = way < 2 ? [] : [[way === 2 ? `${name}x` : name, changeOne(value, random)] as const];
  return Object.fromEntries([...entries.slice(0, index), ...next, ...entries.slice(index + 1)]);
}

function createJsonPatch(random: Random): readonly unknown[] {
  const paths = [
    "/spec",
    "/metadata/name",
    "/metadata/labels",
    "/spec/ports/0",
    "/spec/ports/-",
    "/",
    "",
    "x",
    "/a~2",
    "/kind",
  ];
  return Array.from({ length: random.below(4) }, () => ({
    op: JSON_PATCH_OPERATIONS[random.below(JSON_PATCH_OPERATIONS.length)],
    path: paths[random.below(paths.length)],
    ...(random.below(2) === 0 ? { value: STRANGE[random.below(STRANGE.length)] } : {}),
    ...(random.below(3) === 0 ? { from: paths[random.below(paths.length)] } : {}),
  }));
}

/** As text; one in ten is cut off, doubled, nested deep, or not what it says it is. */
function spoil(document: unknown, random: Random): string {
  const text = JSON.stringify(document) ?? "";
  switch (random.below(50)) {
    case 0:
      return text.slice(0, random.below(text.length + 1));
    case 1:
      return text + text;
    case 2:
      return `${"[".repeat(2_000)}${"]".repeat(2_000)}`;
    case 3:
      return `{"a":`.repeat(5_000);
    case 4:
      return Buffer.from([0x6b, 0x38, 0x73, 0x00, random.below(256), random.below(256)]).toString("latin1");
    case 5:
      return text.replace('"kind":', '"kind":"Other","kind":');
    case 6:
      return text.replace(/"[^"]*"$|"(?=[,}])/, `${"x".repeat(20_000)}"`);
    default:
      return text;
  }
}

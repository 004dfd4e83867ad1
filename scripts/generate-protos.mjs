// Compiles the protobuf messages that weft speaks into static code: gen/protos.js (runs on protobufjs/minimal.js alone) and
// gen/protos.d.ts. Envoy's definitions come from the development dependency @grpc/grpc-js-xds, ours from proto/.
//
// Only the messages of proto-types.json are kept. A field whose message type is not in that list becomes `bytes`: the wire
// format is the same, so whoever reads it still sees that the field is set, and can refuse what it does not support.
// 64-bit integers are read as numbers (exact to 2^53).
//
// Does nothing when the inputs have not changed. Usage: node scripts/generate-protos.mjs [--force]
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const GEN = path.join(ROOT, "gen");
const CODE_FILE = path.join(GEN, "protos.js");
const TYPES_FILE = path.join(GEN, "protos.d.ts");
const STAMP_FILE = path.join(GEN, "protos.stamp.json");
const LIST_FILE = path.join(ROOT, "scripts", "proto-types.json");

class GenerateError extends Error {}

function main() {
  const inputs = hashInputs();
  if (!process.argv.includes("--force") && isCurrent(inputs)) return;
  const list = readList();
  const protobuf = require("protobufjs");
  const source = loadSource(protobuf, list);
  const trimmed = trim(protobuf, source, new Set(list.messages));
  const code = emitCode(trimmed);
  const types = emitTypes(protobuf, trimmed);
  mkdirSync(GEN, { recursive: true });
  replaceFile(CODE_FILE, code);
  replaceFile(TYPES_FILE, types);
  replaceFile(STAMP_FILE, `${JSON.stringify({ inputs, outputs: hashOutputs() }, null, 2)}\n`);
  console.log(`generate-protos: ${list.messages.length} messages, gen/protos.js ${Math.round(code.length / 1000)} kB`);
}

// ---- Up to date? A published package version never changes, so its version stands for its content.

function hashInputs() {
  const hash = createHash("sha256");
  const own = ["weft.proto", "etcd.proto"].map((name) => path.join(ROOT, "proto", name));
  for (const file of [fileURLToPath(import.meta.url), LIST_FILE, ...own]) {
    if (!existsSync(file)) throw new GenerateError(`Cannot read "${path.relative(ROOT, file)}": no such file`);
    hash.update(readFileSync(file)).update("\0");
  }
  for (const name of ["@grpc/grpc-js-xds", "protobufjs", "protobufjs-cli"]) {
    hash.update(`${name}@${JSON.parse(readFileSync(findPackageFile(name, "package.json"), "utf8")).version}\0`);
  }
  return hash.digest("hex");
}

function hashOutputs() {
  const hash = createHash("sha256");
  for (const file of [CODE_FILE, TYPES_FILE]) hash.update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

function isCurrent(inputs) {
  if (![CODE_FILE, TYPES_FILE, STAMP_FILE].every((file) => existsSync(file))) return false;
  try {
    const stamp = JSON.parse(readFileSync(STAMP_FILE, "utf8"));
    return stamp.inputs === inputs && stamp.outputs === hashOutputs();
  } catch {
    return false; // an unreadable stamp is rewritten
  }
}

/** Not by `require.resolve`, which a package's `exports` may forbid for its own package.json. */
function findPackageFile(name, file) {
  const found = path.join(ROOT, "node_modules", name, file);
  if (existsSync(found)) return found;
  throw new GenerateError(
    `Cannot find "${file}" of the package "${name}": nothing at ${path.relative(ROOT, found)}; ` +
      `expected an installed development dependency (run: npm ci)`,
  );
}

function readList() {
  let list;
  try {
    list = JSON.parse(readFileSync(LIST_FILE, "utf8"));
  } catch (error) {
    throw new GenerateError(`Cannot read scripts/proto-types.json: ${error.message}`);
  }
  const isNames = (value) => Array.isArray(value) && value.every((name) => typeof name === "string");
  if (!isNames(list.files) || !isNames(list.messages)) {
    throw new GenerateError(
      'Cannot use scripts/proto-types.json: expected {"files": [names], "messages": [full names]}',
    );
  }
  const twice = list.messages.find((name, index) => list.messages.indexOf(name) !== index);
  if (twice !== undefined) throw new GenerateError(`Cannot use scripts/proto-types.json: "${twice}" is listed twice`);
  return list;
}

// ---- Reading the definitions

function loadSource(protobuf, list) {
  const deps = path.dirname(
    findPackageFile("@grpc/grpc-js-xds", "deps/envoy-api/envoy/config/listener/v3/listener.proto"),
  );
  const base = deps.slice(0, deps.indexOf(path.join("deps", "envoy-api")) + "deps".length);
  const folders = ["envoy-api", "googleapis", "protoc-gen-validate", "xds"].map((name) => path.join(base, name));
  folders.push(path.join(ROOT, "proto"), path.join(ROOT, "node_modules", "protobufjs"));
  const root = new protobuf.Root();
  root.resolvePath = (origin, target) => {
    if (protobuf.common.get(target) !== null) return target;
    const file = folders.map((folder) => path.join(folder, target)).find((candidate) => existsSync(candidate));
    if (file !== undefined) return file;
    throw new GenerateError(`Cannot find "${target}", imported by "${origin || "scripts/proto-types.json"}"`);
  };
  root.loadSync(list.files);
  root.resolveAll();
  return root;
}

// ---- Keeping only what is listed

function trim(protobuf, source, kept) {
  // The definitions of google/protobuf that come with protobufjs keep their original case.
  const camel = protobuf.util.camelCase;
  const root = { nested: {} };
  const enums = new Map();
  for (const name of kept) {
    const type = source.lookup(name, [protobuf.Type]);
    if (type === null || type.fullName !== `.${name}`) {
      throw new GenerateError(`Cannot find the message "${name}" in the files of scripts/proto-types.json`);
    }
    const slot = slotFor(root, name);
    slot.fields = {};
    for (const field of type.fieldsArray) slot.fields[camel(field.name)] = trimField(protobuf, field, kept, enums);
    if (type.oneofsArray.length > 0) {
      slot.oneofs = {};
      for (const oneof of type.oneofsArray) slot.oneofs[oneof.name] = { oneof: oneof.oneof.map(camel) };
    }
  }
  for (const [name, values] of enums) slotFor(root, name).values = values;
  const trimmed = protobuf.Root.fromJSON(root);
  trimmed.resolveAll();
  return trimmed;
}

function trimField(protobuf, field, kept, enums) {
  const json = { type: field.type, id: field.id };
  if (field.repeated) json.rule = "repeated";
  if (field.map) json.keyType = field.keyType;
  const options = {};
  if (field.options?.proto3_optional) options.proto3_optional = true;
  if (field.repeated && !field.map && field.packed === false) options.packed = false;
  const target = field.resolvedType;
  if (target instanceof protobuf.Enum) {
    const name = target.fullName.slice(1);
    // An enum nested in a message that is not kept has no place to live; its numbers are the same on the wire.
    if (target.parent instanceof protobuf.Type && !kept.has(target.parent.fullName.slice(1))) {
      json.type = "int32";
    } else {
      enums.set(name, { ...target.values });
      json.type = `.${name}`;
    }
  } else if (target !== null) {
    const name = target.fullName.slice(1);
    if (target.group) throw new GenerateError(`Cannot keep the field "${field.fullName}": groups are not supported`);
    json.type = kept.has(name) ? `.${name}` : "bytes";
    // An empty message must be seen too; plain proto3 bytes would drop it.
    if (json.type === "bytes" && !field.repeated && !field.map) options.features = { field_presence: "EXPLICIT" };
  }
  if (Object.keys(options).length > 0) json.options = options;
  return json;
}

/** The JSON node of a full name, with the namespaces above it. */
function slotFor(root, fullName) {
  let node = root;
  for (const part of fullName.split(".")) {
    node.nested ??= {};
    node.nested[part] ??= {};
    node = node.nested[part];
  }
  return node;
}

// ---- JavaScript

const LONG_READ = /\br\.(?:int64|uint64|sint64|fixed64|sfixed64)\(\)/g;
const LONG_LIST_READ = /\br\.(?:int64|uint64|sint64|fixed64|sfixed64)s\(([\w.]+)\)/g;
const LONG_DEFAULT = /\$util\.Long \? \$util\.Long\.\w+\([^()]*\) : 0/g;

function emitCode(root) {
  const target = require("protobufjs-cli/targets/static.js");
  let body;
  // The call-back runs before `target` returns. Without `beautify` names are short, which makes the file a third smaller.
  target(
    root,
    { create: true, encode: true, decode: true, es6: true, root: "weft", comments: false },
    (error, output) => {
      if (error) throw error;
      body = output;
    },
  );
  body = body
    .replace(LONG_READ, "$toNumber($&)")
    .replace(LONG_LIST_READ, "($&, $toNumbers($1))")
    .replace(LONG_DEFAULT, "0");
  body = body.replace(/^ +|\n(?=\n)/gm, "");
  if (/\bLong\b/.test(body)) {
    const line = body.split("\n").find((text) => /\bLong\b/.test(text));
    throw new GenerateError(
      `Cannot make 64-bit integers plain numbers: unexpected output of protobufjs-cli: ${line.trim()}`,
    );
  }
  return [
    "// Made by scripts/generate-protos.mjs. Do not edit.",
    'import $protobuf from "protobufjs/minimal.js";',
    'const $toNumber = (value) => typeof value === "number" ? value : value.toNumber();',
    "const $toNumbers = (values) => { for (let i = 0; i < values.length; i += 1) values[i] = $toNumber(values[i]); };",
    body,
    "",
  ].join("\n");
}

// ---- Declarations

const SCALARS = {
  double: "number",
  float: "number",
  int32: "number",
  uint32: "number",
  sint32: "number",
  fixed32: "number",
  sfixed32: "number",
  int64: "number",
  uint64: "number",
  sint64: "number",
  fixed64: "number",
  sfixed64: "number",
  bool: "boolean",
  string: "string",
  bytes: "Uint8Array",
};

function emitTypes(protobuf, root) {
  const lines = [
    "// Made by scripts/generate-protos.mjs. Do not edit.",
    "",
    "export interface Writer {",
    "  finish(): Uint8Array;",
    "}",
    "",
    "export interface Reader {",
    "  readonly pos: number;",
    "  readonly len: number;",
    "}",
    "",
    "/** What every message's namespace offers. */",
    "export interface MessageType<T> {",
    "  /** Plain objects will do; absent and null fields are left out, and so are proto3 defaults without presence. */",
    "  encode(message: T, writer?: Writer): Writer;",
    "  /** Throws on malformed bytes. Absent fields read as their defaults (null inside a oneof and for messages). */",
    "  decode(bytes: Uint8Array | Reader, length?: number): T;",
    "  create(properties?: T): T;",
    "}",
  ];
  for (const child of root.nestedArray) emitNode(protobuf, child, 0, lines, true);
  return `${lines.join("\n")}\n`;
}

function emitNode(protobuf, node, depth, lines, exported) {
  const pad = "  ".repeat(depth);
  const prefix = exported ? `${pad}export ` : pad;
  if (node instanceof protobuf.Enum) {
    lines.push("", `${prefix}type ${node.name} = number;`, `${prefix}const ${node.name}: {`);
    for (const [name, value] of Object.entries(node.values)) lines.push(`${pad}  readonly ${name}: ${value};`);
    lines.push(`${pad}  readonly [value: number]: string;`, `${pad}};`);
    return;
  }
  if (node instanceof protobuf.Type) {
    lines.push("", `${prefix}interface ${node.name} {`);
    for (const field of node.fieldsArray) lines.push(`${pad}  ${field.name}?: ${fieldType(protobuf, field)} | null;`);
    for (const oneof of node.oneofsArray) {
      if (oneof.isProto3Optional) continue;
      const names = oneof.oneof.map((name) => JSON.stringify(name)).join(" | ");
      lines.push(`${pad}  /** Which of them is set; only on decoded and created messages. */`);
      lines.push(`${pad}  readonly ${oneof.name}?: ${names};`);
    }
    lines.push(`${pad}  /** Fields that the definition does not know, as they came. */`);
    lines.push(`${pad}  readonly $unknowns?: readonly Uint8Array[];`);
    lines.push(`${pad}}`);
  }
  lines.push("", `${prefix}namespace ${node.name} {`);
  if (node instanceof protobuf.Type) {
    const path = node.fullName.slice(1);
    lines.push(`${pad}  export function encode(message: ${path}, writer?: Writer): Writer;`);
    lines.push(`${pad}  export function decode(bytes: Uint8Array | Reader, length?: number): ${path};`);
    lines.push(`${pad}  export function create(properties?: ${path}): ${path};`);
  }
  for (const child of node.nestedArray) emitNode(protobuf, child, depth + 1, lines, true);
  lines.push(`${pad}}`);
}

function fieldType(protobuf, field) {
  const type = SCALARS[field.type] ?? field.resolvedType?.fullName.slice(1);
  if (type === undefined)
    throw new GenerateError(`Cannot declare the field "${field.fullName}" of type "${field.type}"`);
  if (field.map) return `Record<string, ${type}>`;
  return field.repeated ? `${type}[]` : type;
}

/** Readers see the old file or the new one, never half of it. */
function replaceFile(file, content) {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, file);
}

try {
  main();
} catch (error) {
  if (!(error instanceof GenerateError)) throw error;
  console.error(`generate-protos: ${error.message}`);
  process.exit(1);
}

/** Texts as small numbers: a thousand proxies hold the same names and versions. */
class TextTable {
  readonly #numbers = new Map<string, number>();
  readonly texts: string[] = [""];

  number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.texts.length);
    this.texts.push(text);
    return this.texts.length - 1;
  }
}

const names = new TextTable();
const versions = new TextTable();
const encodedNames: Buffer[] = [];
const encodedVersions = new Map<string, Buffer>();

/** What one proxy holds of one type: four bytes a name. */
export class HeldResources {
  #versions = new Uint32Array(64);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** False when it held just this version. */
  put(name: string, version: string): boolean {
    const at = names.number(name);
    if (at >= this.#versions.length) {
      const larger = new Uint32Array(Math.max(at + 1, this.#versions.length * 2));
      larger.set(this.#versions);
      this.#versions = larger;
    }
    const number = versions.number(version);
    const before = this.#versions[at] ?? 0;
    if (before === 0) this.#count += 1;
    this.#versions[at] = number;
    return before !== number;
  }

  remove(name: string): void {
    const at = names.number(name);
    if ((this.#versions[at] ?? 0) === 0) return;
    this.#versions[at] = 0;
    this.#count -= 1;
  }

  has(name: string): boolean {
    return (this.#versions[names.number(name)] ?? 0) !== 0;
  }

  names(): string[] {
    const found: string[] = [];
    for (let at = 1; at < this.#versions.length; at += 1)
      if (this.#versions[at] !== 0) found.push(names.texts[at] ?? "");
    return found;
  }

  /** As entries of `initial_resource_versions`. */
  encodeVersions(): Buffer[] {
    const found: Buffer[] = [];
    for (let at = 1; at < this.#versions.length; at += 1) {
      const version = this.#versions[at] ?? 0;
      if (version !== 0) found.push(encodeVersion(at, version));
    }
    return found;
  }
}

const SUBSCRIBE_TAG = (3 << 3) | 2;
const INITIAL_TAG = (5 << 3) | 2;
const KEY_TAG = (1 << 3) | 2;
const VALUE_TAG = (2 << 3) | 2;

/** As an entry of `resource_names_subscribe`. */
export function encodeSubscribe(name: string): Buffer {
  const at = names.number(name);
  encodedNames[at] ??= encodeField(SUBSCRIBE_TAG, Buffer.from(name));
  return encodedNames[at];
}

function encodeVersion(name: number, version: number): Buffer {
  const key = `${name} ${version}`;
  const known = encodedVersions.get(key);
  if (known !== undefined) return known;
  const entry = Buffer.concat([
    encodeField(KEY_TAG, Buffer.from(names.texts[name] ?? "")),
    encodeField(VALUE_TAG, Buffer.from(versions.texts[version] ?? "")),
  ]);
  const encoded = encodeField(INITIAL_TAG, entry);
  encodedVersions.set(key, encoded);
  return encoded;
}

function encodeField(tag: number, content: Buffer): Buffer {
  const length = content.length;
  const head = length < 0x80 ? [tag, length] : [tag, (length & 0x7f) | 0x80, length >> 7];
  return Buffer.concat([Buffer.from(head), content]);
}

/** Longer texts are worked out each time. */
const MAX_TEXT = 256;

/** Keeps what was made of the texts that come again and again; when it is full it begins anew. What it keeps is shared: frozen. */
export class TextMemo<T> {
  readonly #make: (text: string) => T;
  readonly #limit: number;
  readonly #known: Map<string, T> = new Map();

  constructor(limit: number, make: (text: string) => T) {
    this.#limit = limit;
    this.#make = make;
  }

  of(text: string): T {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const made = this.#make(text);
    if (text.length > MAX_TEXT) return made;
    if (this.#known.size >= this.#limit) this.#known.clear();
    this.#known.set(text, made);
    return made;
  }
}

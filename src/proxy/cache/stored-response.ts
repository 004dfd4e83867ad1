import { BODY_LENGTH, BODY_NONE, type FieldLines, Head } from "../head.ts";
import { reasonPhrase } from "../http1/reason-phrase.ts";
import { type Age, initialAgeMs, lifetimeMs, type ResponseTimes } from "./freshness.ts";
import type { ResponseFacts } from "./message-facts.ts";
import type { KeyEntry } from "./response-store.ts";
import type { StoredField } from "./stored-fields.ts";
import { StoredLines } from "./stored-lines.ts";

/** What a response's head gives to be stored. */
export interface StoredHead {
  readonly facts: ResponseFacts;
  readonly times: ResponseTimes;
  readonly fields: readonly StoredField[];
  /** As it came over HTTP/1.1; "" otherwise. */
  readonly reason: string;
}

export interface StoredResponseOptions extends StoredHead {
  /** What the request had in the fields that `facts.vary` names. */
  readonly selection: string;
  readonly body: Uint8Array;
  /** The policy's heuristic; 0 = none. */
  readonly defaultTtlMs: number;
}

/** The objects of one stored response beside its bytes, and of its key when it is alone: 1.6 KiB measured on Node, with a margin. */
export const ENTRY_BYTES = 1_792;
const NOT_MODIFIED = 304;

/** One complete response in a store. The body never changes; the head does when an instance says that it still holds. */
export class StoredResponse {
  readonly entry: KeyEntry;
  readonly selection: string;
  readonly body: Uint8Array;
  facts: ResponseFacts;
  /** What it costs to keep, body and head and all. */
  bytes: number = 0;
  /** Wall clock of Date, or of when it came. */
  madeMs: number = 0;
  /** Its neighbours by time of last use, of the store. */
  newer: StoredResponse | null = null;
  older: StoredResponse | null = null;
  isStored: boolean = false;
  /** It is being fetched anew in the background, or was not long ago. */
  isRefreshing: boolean = false;
  refreshAfterMs: number = 0;
  readonly #defaultTtlMs: number;
  readonly #reason: string;
  #responseMs: number = 0;
  #initialAgeMs: number = 0;
  #lifetimeMs: number = 0;
  #lines: StoredLines;

  constructor(entry: KeyEntry, options: StoredResponseOptions) {
    this.entry = entry;
    this.selection = options.selection;
    this.body = options.body;
    this.facts = options.facts;
    this.#defaultTtlMs = options.defaultTtlMs;
    this.#reason = options.reason === "" ? reasonPhrase(options.facts.status) : options.reason;
    this.#lines = new StoredLines([], "");
    this.renew(options.facts, options.fields, options.times);
  }

  /** Another head for the same body: the first, or after a 304. The store has to be told if `bytes` changes. */
  renew(facts: ResponseFacts, fields: readonly StoredField[], times: ResponseTimes): void {
    this.facts = facts;
    this.#lines = new StoredLines(fields, this.#reason);
    this.#responseMs = times.responseMs;
    this.#initialAgeMs = initialAgeMs(facts, times);
    this.#lifetimeMs = Math.max(0, lifetimeMs(facts, times.responseWallMs, this.#defaultTtlMs));
    this.madeMs = facts.dateMs ?? times.responseWallMs;
    const textBytes = this.selection.length + this.entry.key.length;
    this.bytes = ENTRY_BYTES + textBytes + this.#lines.byteLength + this.body.length;
  }

  ageAt(nowMs: number): Age {
    return { ageMs: this.#initialAgeMs + Math.max(0, nowMs - this.#responseMs), lifetimeMs: this.#lifetimeMs };
  }

  /** Something to ask an instance by. */
  canBeValidated(): boolean {
    const { etag, lastModifiedMs } = this.facts;
    return etag !== null || (lastModifiedMs !== null && !Number.isNaN(lastModifiedMs));
  }

  fields(): StoredField[] {
    return this.#lines.fields();
  }

  /**
   * The head of an answer, with `lines` added; valid until the next call for any stored response, as one head serves all
   * of them: it is encoded before the next is asked for. `toHead`: the answer has no body but says how long it would be.
   * `notModified`: a 304.
   */
  toHead(lines: FieldLines, toHead: boolean, notModified: boolean): Head {
    const head = answerHead;
    const { status } = this.facts;
    this.#lines.writeTo(head, notModified ? NOT_MODIFIED : status, notModified);
    head.add(lines);
    const bodiless = notModified || status === 204;
    head.bodyKind = bodiless || toHead ? BODY_NONE : BODY_LENGTH;
    head.contentLength = head.bodyKind === BODY_LENGTH ? this.body.length : 0;
    head.declaredLength = toHead && !bodiless ? this.body.length : -1;
    return head;
  }
}

const answerHead: Head = new Head();

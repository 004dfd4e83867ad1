// For tests only.
import { Buffer } from "node:buffer";
import type { Head } from "../head.ts";
import { DEFAULT_DECODER_LIMITS, type DecodeFailure, type DecoderLimits, type Http1Sink } from "./decoder-contract.ts";
import { Http1Decoder } from "./decoder.ts";

export interface HeadFacts {
  readonly event: "head" | "interim";
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly authority: string;
  readonly status: number;
  readonly minorVersion: number;
  readonly bodyKind: number;
  readonly contentLength: number;
  readonly keepAlive: boolean;
  readonly expectContinue: boolean;
  readonly upgrade: boolean;
  readonly absoluteForm: boolean;
  /** [id, name, value] */
  readonly fields: readonly (readonly [number, string, string])[];
}

export type DecoderEvent =
  | HeadFacts
  | { readonly event: "body"; text: string }
  | { readonly event: "end"; readonly trailers: readonly (readonly [number, string, string])[] | null }
  | { readonly event: "failure"; readonly detail: string; readonly status: number };

/** A sink that writes down what a decoder reports, body bytes joined, and goes straight on to the next message. */
export class DecoderEvents implements Http1Sink {
  readonly list: DecoderEvent[] = [];
  readonly decoder: Http1Decoder;
  /** Called after each event is written down. */
  onEvent: (event: DecoderEvent) => void = () => {};
  goesOn: boolean = true;
  readonly #role: "request" | "response";

  constructor(role: "request" | "response", limits: DecoderLimits = DEFAULT_DECODER_LIMITS) {
    this.#role = role;
    this.decoder = new Http1Decoder(role, this, limits);
  }

  onInterim(head: Head): void {
    this.#add(headFacts("interim", head));
  }

  onHead(head: Head): void {
    this.#add(headFacts("head", head));
  }

  onData(bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString("latin1");
    const last = this.list.at(-1);
    if (last?.event === "body") {
      last.text += text;
      this.onEvent(last);
    } else this.#add({ event: "body", text });
  }

  onEnd(trailers: Head | null): void {
    this.#add({ event: "end", trailers: trailers === null ? null : fieldsOf(trailers) });
    if (this.goesOn && this.#role === "request") this.decoder.next();
  }

  onFailure(failure: DecodeFailure): void {
    this.#add({ event: "failure", detail: failure.detail, status: failure.status });
  }

  #add(event: DecoderEvent): void {
    this.list.push(event);
    this.onEvent(event);
  }
}

function headFacts(event: "head" | "interim", head: Head): HeadFacts {
  return {
    event,
    method: head.methodText(),
    target: Buffer.from(head.bytes.subarray(head.targetStart, head.targetEnd)).toString("latin1"),
    path: head.pathText(),
    authority: head.authorityText(),
    status: head.status,
    minorVersion: head.minorVersion,
    bodyKind: head.bodyKind,
    contentLength: head.contentLength,
    keepAlive: head.keepAlive,
    expectContinue: head.expectContinue,
    upgrade: head.upgrade,
    absoluteForm: head.absoluteForm,
    fields: fieldsOf(head),
  };
}

function fieldsOf(head: Head): (readonly [number, string, string])[] {
  return Array.from({ length: head.count }, (_, index) => [
    head.ids[index] ?? 0,
    head.nameText(index),
    head.valueText(index),
  ]);
}

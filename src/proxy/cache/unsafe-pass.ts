import type { ResponseTap } from "../exchange-tap.ts";
import type { Head } from "../head.ts";
import { addForwardStatus } from "./cache-status.ts";

/** A request with a method that is not stored. One that may change something makes what is stored out of date (RFC 9111 §4.4). */
export class UnsafePass implements ResponseTap {
  readonly #isSafe: boolean;
  readonly #invalidate: (links: readonly string[]) => void;

  /** `isSafe`: OPTIONS and TRACE. */
  constructor(isSafe: boolean, invalidate: (links: readonly string[]) => void) {
    this.#isSafe = isSafe;
    this.#invalidate = invalidate;
  }

  onHead(head: Head): void {
    addForwardStatus(head, "method", false);
    if (this.#isSafe || head.status < 200 || head.status >= 400) return;
    const links: string[] = [];
    for (let index = 0; index < head.count; index += 1) {
      const name = head.nameText(index).toLowerCase();
      if (name === "location" || name === "content-location") links.push(head.valueText(index));
    }
    this.#invalidate(links);
  }

  onResponseHead(): void {
    // `onHead` has seen it.
  }

  onResponseData(): void {
    // What it says is its caller's affair.
  }

  onResponseEnd(): void {
    // Nothing is kept of it.
  }

  onResponseAbort(): void {
    // An answer that failed midway has done its work all the same: its head was seen.
  }
}

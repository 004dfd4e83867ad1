import type { Head } from "../head.ts";
import { ACCESS_DENIED, getFailure } from "../failures.ts";
import { METHOD_HEAD } from "../head.ts";
import { encodeLocalResponse } from "./encoder.ts";
import { renderField } from "./field-line.ts";

export interface FailureAnswer {
  readonly code: number;
  readonly detail: string | null;
  /** Null when the request could not be read. */
  readonly request: Head | null;
  readonly close: boolean;
}

/**
 * The whole answer that weft makes for a failure: the table's status, `x-weft-failure` with the code's name, and a body
 * that says what happened in words.
 */
export function renderFailure(answer: FailureAnswer): Uint8Array {
  const failure = getFailure(answer.code);
  const detail = answer.detail === null ? "" : `\n${answer.detail}\n`;
  return encodeLocalResponse({
    status: failure.httpStatus,
    fields: [failureField(answer.code)],
    body: `weft: ${failure.name}: ${failure.explanation}\n${detail}${hint(answer.code)}`,
    close: answer.close,
    toHead: answer.request?.method === METHOD_HEAD,
  });
}

function hint(code: number): string {
  return code === ACCESS_DENIED ? "\nWhat is allowed now: weft get traffictargets\n" : "";
}

const fieldLines: (Uint8Array | undefined)[] = [];

/** One line per code, rendered once. */
function failureField(code: number): Uint8Array {
  const known = fieldLines[code];
  if (known !== undefined) return known;
  const line = renderField("x-weft-failure", getFailure(code).name);
  fieldLines[code] = line;
  return line;
}

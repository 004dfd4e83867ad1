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

/** What weft says about a failure, whatever the protocol: status, field lines and a body that says it in words. */
export function describeFailure(
  code: number,
  detail: string | null,
): { readonly status: number; readonly fields: string; readonly body: string } {
  const failure = getFailure(code);
  const more = detail === null ? "" : `\n${detail}\n`;
  return {
    status: failure.httpStatus,
    fields: `content-type: text/plain; charset=utf-8\r\nx-weft-failure: ${failure.name}\r\n`,
    body: `weft: ${failure.name}: ${failure.explanation}\n${more}${hint(code)}`,
  };
}

/** The whole HTTP/1.1 answer that weft makes for a failure. */
export function renderFailure(answer: FailureAnswer): Uint8Array {
  const { status, body } = describeFailure(answer.code, answer.detail);
  return encodeLocalResponse({
    status,
    fields: [failureField(answer.code)],
    body,
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

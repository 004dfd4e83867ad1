import type { Head } from "../head.ts";
import { ACCESS_DENIED, type FailureReport, getFailure } from "../failures.ts";
import { METHOD_HEAD } from "../head.ts";
import { encodeLocalResponse } from "./encoder.ts";
import { renderField } from "./field-line.ts";

export interface FailureAnswer {
  readonly report: FailureReport;
  /** Null when the request could not be read. */
  readonly request: Head | null;
  readonly close: boolean;
}

/** What weft says about a failure, whatever the protocol: status, field lines and a body that says it in words. */
export function describeFailure(report: FailureReport): {
  readonly status: number;
  readonly fields: string;
  readonly body: string;
} {
  const { code, detail } = report;
  const failure = getFailure(code);
  const more = detail === null ? "" : `\n${detail}\n`;
  return {
    status: report.status === 0 ? failure.httpStatus : report.status,
    fields: `content-type: text/plain; charset=utf-8\r\nx-weft-failure: ${failure.name}\r\n${report.fields}`,
    body: `weft: ${failure.name}: ${failure.explanation}\n${more}${hint(code)}`,
  };
}

/** The whole HTTP/1.1 answer that weft makes for a failure. */
export function renderFailure(answer: FailureAnswer): Uint8Array {
  const { report } = answer;
  const { status, body } = describeFailure(report);
  const name = failureField(report.code);
  return encodeLocalResponse({
    status,
    fields: report.fields === "" ? [name] : [name, Buffer.from(report.fields, "latin1")],
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

/** One thing wrong with a document. All problems of a file are reported together. */
export interface Problem {
  /** Errors refuse the resource; warnings are legal but probably not meant. */
  readonly severity: "error" | "warning";
  readonly file: string;
  /** 1-based; 0 when the source has no position (JSON over HTTP). */
  readonly line: number;
  readonly column: number;
  /** Where inside the object, e.g. `spec.backends[1].weight`; "" for the whole document. */
  readonly path: string;
  /** e.g. `-1`, `"ten" (string)`, `unknown field "wieght"`. */
  readonly found: string;
  /** e.g. `a whole number of 0 or more`. */
  readonly expected: string;
}

/** `file:line:column: error: path: found …; expected …`. */
export function formatProblem(problem: Problem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const path = problem.path === "" ? "" : `${problem.path}: `;
  return `${place}: ${problem.severity}: ${path}found ${problem.found}; expected ${problem.expected}`;
}

import { parseResourceFile } from "./parse-file.ts";
import { formatProblem } from "./problem.ts";

/** For tests: the problems of a TrafficPolicy with these lines below its target, without file and position. */
export function listPolicyProblems(
  lines: readonly string[],
  target: string = "{ kind: Service, name: reviews }",
): readonly string[] {
  const head = "apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: { name: p }\nspec:\n";
  const text = `${head}  targetRef: ${target}\n${lines.map((line) => `  ${line}\n`).join("")}`;
  return parseResourceFile(text, "p.yaml").problems.map((problem) => {
    return formatProblem(problem).replace(/^p\.yaml:\d+:\d+: error: /, "");
  });
}

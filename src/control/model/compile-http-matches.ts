import { readHeaderPatterns } from "../../resources/header-patterns.ts";
import type { HttpMatch, HttpRouteGroup } from "../../resources/http-route-group.ts";
import { compareText } from "./compare-text.ts";
import type { HttpMatchModel } from "./mesh-model.ts";

/** The matches of a group that are named in `names` ([] = all), in the order of the group. */
export function compileHttpMatches(group: HttpRouteGroup, names: readonly string[]): HttpMatchModel[] {
  const chosen = group.spec.matches.filter((match) => names.length === 0 || names.includes(match.name));
  return chosen.map(compileHttpMatch);
}

function compileHttpMatch(match: HttpMatch): HttpMatchModel {
  return {
    pathRegex: match.pathRegex,
    methods: match.methods.includes("*") ? null : [...match.methods].sort(compareText),
    headers: [...readHeaderPatterns(match.headers)].sort(([one], [other]) => compareText(one, other)),
  };
}

import type { AccessRule } from "../snapshot.ts";
import type { MatchableRequest } from "../route/match-request.ts";
import { matchesRequest } from "../route/match-request.ts";

/** True when the rule would allow this request from one of its own principals. */
export function acceptsRequest(rule: AccessRule, x: MatchableRequest): boolean {
  if (rule.matches === null) return true;
  for (let i = 0; i < rule.matches.length; i += 1) {
    const match = rule.matches[i];
    if (match !== undefined && matchesRequest(match, x)) return true;
  }
  return false;
}

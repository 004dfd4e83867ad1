/** What a new instance gets at first. Envoy's default is the same. */
const FIRST_SHARE = 0.1;

/** The part of its weight that an instance has `ageMs` after it came: from a tenth, straight up to all after `windowMs`. */
export function slowStartShare(ageMs: number, windowMs: number): number {
  if (ageMs >= windowMs) return 1;
  return Math.max(FIRST_SHARE, ageMs / windowMs);
}

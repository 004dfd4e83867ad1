import { parseSpiffeId } from "./spiffe-id.ts";

/** Whom a user's certificate for the API names: `spiffe://<trust domain>/user/<name>`. No workload's ID has this form. */
export interface UserId {
  readonly trustDomain: string;
  readonly user: string;
}

export function formatUserId({ trustDomain, user }: UserId): string {
  const text = `spiffe://${trustDomain}/user/${user}`;
  if (parseUserId(text)?.user === user) return text;
  throw new RangeError(
    `Cannot form an ID for user ${JSON.stringify(user)} in trust domain ${JSON.stringify(trustDomain)}; expected letters, digits, ".", "-", "_"`,
  );
}

/** Null when `text` is not the ID of a user. */
export function parseUserId(text: string): UserId | null {
  const id = parseSpiffeId(text);
  if (id === null || id.segments.length !== 2) return null;
  const [first, user] = id.segments;
  return first === "user" && user !== undefined ? { trustDomain: id.trustDomain, user } : null;
}

import { ScriptedCache } from "./test-scripted-cache.ts";

export const MINUTE = "cache-control: max-age=60";
export const TAG = 'etag: "1"';

/** A store with a response to `GET /a` that has been stale for a second. */
export function staleScript(response: readonly string[] = [MINUTE, TAG], policy: object = {}): ScriptedCache {
  const script = new ScriptedCache(policy);
  script.ask("GET /a");
  script.respond("200 OK", ["x-old: 1", "content-type: text/plain", ...response], "body");
  script.clock.advance(61_000);
  return script;
}

// hot
import type { Head } from "./head.ts";
import { equalsIgnoreCase, startsWithIgnoreCase } from "./http1/field-name.ts";
import { FIELD_CONTENT_TYPE } from "./head.ts";

const MEDIA_TYPE: Uint8Array = Buffer.from("text/event-stream", "latin1");
const WITH_PARAMETER: Uint8Array = Buffer.from("text/event-stream;", "latin1");

/** True for server-sent events (WHATWG HTML §9.2): a response that ends when one of the two has had enough. */
export function isEventStream(response: Head): boolean {
  const index = response.find(FIELD_CONTENT_TYPE);
  if (index < 0) return false;
  // find() gives an index below count; spans has four entries for each.
  const start = response.spans[index * 4 + 2] as number;
  const end = response.spans[index * 4 + 3] as number;
  const { bytes } = response;
  return equalsIgnoreCase(bytes, start, end, MEDIA_TYPE) || startsWithIgnoreCase(bytes, start, end, WITH_PARAMETER);
}

import type { IncomingMessage } from "node:http";
import type { BodyText } from "./api-route.ts";
import { PROTOBUF_TYPE } from "./protobuf/decode-body.ts";
import { StatusError } from "./status.ts";

/** As in Kubernetes, whose store has the same limit. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/**
 * What is too large is read to its end and thrown away, because a sender that is cut off does not see the answer; but
 * not without limit.
 */
const MAX_DISCARDED_BYTES = 32 * 1024 * 1024;

/** A request body as it was sent. Throws StatusError when it is too large or not UTF-8. */
export async function readBodyText(request: IncomingMessage): Promise<BodyText> {
  const type = (request.headers["content-type"] ?? "application/json").split(";", 1)[0] ?? "";
  const bytes = await readBytes(request);
  const mediaType = type.trim().toLowerCase();
  return { type: mediaType, text: mediaType === PROTOBUF_TYPE ? "" : toText(bytes), bytes };
}

/** The JSON of a request body; null when there is no body. */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const { type, text } = await readBodyText(request);
  if (text === "") return null;
  if (type !== "application/json") {
    throw new StatusError(
      "UnsupportedMediaType",
      `Cannot read the body: found content-type "${type}"; expected application/json`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new StatusError(
      "BadRequest",
      `Cannot read the body: found text that is not JSON (${(error as Error).message}); expected one object`,
    );
  }
}

function toText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return text;
  throw new StatusError("BadRequest", "Cannot read the body: found bytes that are not UTF-8; expected text in UTF-8");
}

function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
      else if (bytes > MAX_DISCARDED_BYTES) reject(tooLarge());
      else chunks.length = 0;
    });
    request.on("end", () => {
      if (bytes > MAX_BODY_BYTES) {
        reject(tooLarge());
        return;
      }
      resolve(Buffer.concat(chunks));
    });
    request.on("error", reject);
  });
}

function tooLarge(): StatusError {
  return new StatusError(
    "RequestEntityTooLarge",
    `Cannot read the body: found more than ${MAX_BODY_BYTES} bytes; expected at most that`,
  );
}

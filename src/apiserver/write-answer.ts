import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip as gzipWithCallback } from "node:zlib";
import { stringify } from "yaml";
import type { ApiAnswer } from "./api-route.ts";
import { acceptsGzip, chooseMedia, OBJECT_MEDIA } from "./negotiation.ts";
import { StatusError } from "./status.ts";

/** As in Kubernetes: below it compressing costs more than it saves. */
const MIN_GZIP_BYTES = 128 * 1024;
/** Of 1 to 9: what Kubernetes has found to be the best bargain for JSON. */
const GZIP_LEVEL = 4;

const gzip = promisify(gzipWithCallback);

export interface WriteOptions {
  /** Of the request: Accept and Accept-Encoding. */
  readonly headers: IncomingHttpHeaders;
  /** The request's body was not taken, so the connection cannot carry another request. */
  readonly isUnread: boolean;
}

/** Resolves when the answer is handed over. Does nothing when one was begun already, or the client has left. */
export async function writeAnswer(response: ServerResponse, answer: ApiAnswer, options: WriteOptions): Promise<void> {
  if (response.headersSent || response.destroyed) return;
  response.setHeader("cache-control", "no-store");
  response.setHeader("x-content-type-options", "nosniff");
  if (answer.kind === "stream") {
    answer.start(response);
    return;
  }
  if (answer.statusCode === 401) response.setHeader("www-authenticate", "Bearer");
  if (options.isUnread) response.setHeader("connection", "close");
  const { type, text } = formatBody(answer, options.headers);
  await writeBody(response, options.headers, { statusCode: answer.statusCode, type, bytes: Buffer.from(text) });
}

export interface Body {
  readonly statusCode: number;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** Compressed where that is asked for and worth it. */
export async function writeBody(response: ServerResponse, headers: IncomingHttpHeaders, body: Body): Promise<void> {
  response.setHeader("vary", "accept, accept-encoding");
  const isGzipped = body.bytes.length > MIN_GZIP_BYTES && acceptsGzip(readEncoding(headers));
  const bytes = isGzipped ? await gzip(body.bytes, { level: GZIP_LEVEL }) : body.bytes;
  if (response.headersSent || response.destroyed) return;
  if (isGzipped) response.setHeader("content-encoding", "gzip");
  response.writeHead(body.statusCode, { "content-type": body.type, "content-length": bytes.length });
  response.end(bytes);
}

function formatBody(
  answer: Exclude<ApiAnswer, { readonly kind: "stream" }>,
  headers: IncomingHttpHeaders,
): { readonly type: string; readonly text: string } {
  if (answer.kind === "text") return { type: "text/plain; charset=utf-8", text: answer.body };
  if (prefersYaml(headers)) {
    // Long lines stay whole, and what is shared is written twice: other readers need not know aliases.
    return { type: "application/yaml", text: stringify(answer.body, { lineWidth: 0, aliasDuplicateObjects: false }) };
  }
  return { type: "application/json", text: `${JSON.stringify(answer.body)}\n` };
}

/** Also of an error: one for whom nothing could be had as asked is told so in JSON. */
function prefersYaml(headers: IncomingHttpHeaders): boolean {
  try {
    return chooseMedia(withoutTransforms(headers.accept), OBJECT_MEDIA).type === "application/yaml";
  } catch (error) {
    if (error instanceof StatusError) return false;
    throw error;
  }
}

/** Tables and metadata are made by the routes; here only the writing is chosen. */
function withoutTransforms(accept: string | undefined): string | undefined {
  return accept?.replace(/;\s*(?:as|g|v)=[^;,]*/g, "");
}

function readEncoding(headers: IncomingHttpHeaders): string | undefined {
  const value = headers["accept-encoding"];
  return Array.isArray(value) ? value.join(",") : value;
}

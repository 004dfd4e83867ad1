import { Agent, type IncomingMessage, request as requestPlain } from "node:http";
import { Agent as TlsAgent, request as requestTls } from "node:https";
import { WeftError } from "../lib/weft-error.ts";
import type { ApiClientOptions } from "./api-client.ts";
import { isStatus, type Status } from "./status.ts";

/** One JSON request and its answer; every failure is a `WeftError` (see `ApiClient`). */
export interface ApiRequester {
  send(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Like `send`, but null when the object named by the path does not exist. */
  find(method: string, path: string): Promise<unknown>;
  isReady(): Promise<boolean>;
  close(): void;
}

interface Answer {
  readonly statusCode: number;
  readonly body: string;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 8;
/** An API server that sends more than this is not ours. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

const CODE_BY_REASON: Readonly<Record<string, string>> = {
  NotFound: "WEFT_API_NOT_FOUND",
  AlreadyExists: "WEFT_API_ALREADY_EXISTS",
  Conflict: "WEFT_API_CONFLICT",
  Invalid: "WEFT_API_INVALID",
  BadRequest: "WEFT_API_INVALID",
  Unauthorized: "WEFT_API_UNAUTHORIZED",
  Forbidden: "WEFT_API_FORBIDDEN",
};

export function createApiRequester(options: ApiClientOptions): ApiRequester {
  const agent = createAgent(options);

  async function send(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await exchange(options, agent, {
      method,
      path,
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (answer.statusCode < 300) return parseBody(options, answer);
    throw toError(options, answer);
  }

  return {
    send,
    async find(method, path) {
      try {
        return await send(method, path);
      } catch (error) {
        // Only the absence of the object itself: a 404 for an unknown path names no object.
        if (error instanceof WeftError && error.code === "WEFT_API_NOT_FOUND" && error.details["name"] !== undefined) {
          return null;
        }
        throw error;
      }
    },
    async isReady() {
      return (await exchange(options, agent, { method: "GET", path: "/readyz", body: null })).statusCode === 200;
    },
    close: () => agent.destroy(),
  };
}

/** The certificate that every API of weft has is for `localhost`, whatever address leads there. */
function createAgent({ baseUrl }: ApiClientOptions): Agent {
  const keeping = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
  return baseUrl.startsWith("https:") ? new TlsAgent({ ...keeping, servername: "localhost" }) : new Agent(keeping);
}

/** Asked for each request: the agent makes a new connection where it has none with these roots. */
function readRoots({ caPem }: ApiClientOptions): { readonly ca?: string } {
  const ca = typeof caPem === "function" ? caPem() : caPem;
  return ca === undefined ? {} : { ca };
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body: string | null;
}

function exchange(options: ApiClientOptions, agent: Agent, call: Call, isSecondTry = false): Promise<Answer> {
  const url = new URL(options.baseUrl);
  const headers: Record<string, string | number> = {
    accept: "application/json",
    // The manager of what is written, in metadata.managedFields.
    "user-agent": "weft",
    authorization: `Bearer ${options.token}`,
  };
  if (call.body !== null) {
    headers["content-type"] = "application/json";
    headers["content-length"] = Buffer.byteLength(call.body);
  }
  return new Promise((resolve, reject) => {
    const isTls = url.protocol === "https:";
    const outgoing = (isTls ? requestTls : requestPlain)({
      agent,
      ...(isTls ? readRoots(options) : {}),
      method: call.method,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
      path: call.path,
      headers,
    });
    outgoing.setTimeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, () => outgoing.destroy(timedOut(options)));
    outgoing.on("error", (error) => {
      // The server closed a kept connection just as it was used again: nothing was read, so ask once more.
      if (!isSecondTry && outgoing.reusedSocket && isReset(error)) resolve(exchange(options, agent, call, true));
      else reject(toConnectionError(options, error));
    });
    outgoing.on("response", (incoming) =>
      collect(incoming, resolve, (error) => reject(toConnectionError(options, error))),
    );
    outgoing.end(call.body ?? undefined);
  });
}

function collect(incoming: IncomingMessage, onAnswer: (answer: Answer) => void, onError: (error: Error) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  incoming.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) incoming.destroy(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`));
    else chunks.push(chunk);
  });
  incoming.on("end", () =>
    onAnswer({ statusCode: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
  );
  incoming.on("error", onError);
}

function parseBody(options: ApiClientOptions, answer: Answer): unknown {
  try {
    return JSON.parse(answer.body);
  } catch (error) {
    throw notTheApi(options, answer, error);
  }
}

function toError(options: ApiClientOptions, answer: Answer): WeftError {
  const status = parseStatus(answer.body);
  if (status === null) return notTheApi(options, answer);
  const details: Record<string, unknown> = { ...status.details, status: answer.statusCode };
  if (status.reason === "Unauthorized") {
    return new WeftError(
      "WEFT_API_UNAUTHORIZED",
      `The control plane at ${options.baseUrl} refused the token: ${status.message}`,
      {
        hint: "The token file belongs to another mesh or another start of this one: use the WEFT_HOME (or --home) of the mesh you mean",
        details,
      },
    );
  }
  return new WeftError(CODE_BY_REASON[status.reason] ?? "WEFT_API_FAILED", status.message, { details });
}

function parseStatus(body: string): Status | null {
  try {
    const parsed: unknown = JSON.parse(body);
    return isStatus(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function notTheApi(options: ApiClientOptions, answer: Answer, cause?: unknown): WeftError {
  return new WeftError(
    "WEFT_API_FAILED",
    `Cannot understand the answer of ${options.baseUrl}: found HTTP status ${answer.statusCode} with a body that is not the API's; expected JSON`,
    { hint: "Another program may be using this port: run `weft check`", cause },
  );
}

function timedOut(options: ApiClientOptions): WeftError {
  const waitedMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return new WeftError(
    "WEFT_API_TIMEOUT",
    `Cannot reach the control plane at ${options.baseUrl}: no answer in ${waitedMs / 1000} s; expected it to be running`,
    { hint: "The machine may be overloaded or the control plane stopped (suspended): run `weft check`" },
  );
}

function toConnectionError(options: ApiClientOptions, error: Error): WeftError {
  if (error instanceof WeftError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const found =
    code === "ECONNREFUSED"
      ? "connection refused"
      : isReset(error)
        ? "the connection was closed before an answer"
        : error.message;
  return new WeftError(
    "WEFT_API_UNREACHABLE",
    `Cannot reach the control plane at ${options.baseUrl}: ${found}; expected it to be running`,
    {
      hint: "Start the mesh with `weft up`; if it is running somewhere else, name its state folder with WEFT_HOME or --home",
      cause: error,
    },
  );
}

function isReset(error: Error): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ECONNRESET" || code === "EPIPE";
}

import { request as httpRequest } from "node:http";
import type { TestApi } from "./start-test-api.ts";

export interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface Call {
  readonly headers?: Readonly<Record<string, string>>;
  /** Null: none. Left out: the right one. */
  readonly token?: string | null;
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** One request on a connection of its own, with the right token unless `call` says otherwise. */
export function sendToApi(api: TestApi, method: string, path: string, call: Call = {}): Promise<Answer> {
  const token = call.token === undefined ? api.token : call.token;
  const payload =
    call.body === undefined ? undefined : typeof call.body === "string" ? call.body : JSON.stringify(call.body);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        agent: false,
        port: api.port,
        host: "127.0.0.1",
        method,
        path,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(payload === undefined
            ? {}
            : { "content-type": "application/json", "content-length": String(Buffer.byteLength(payload)) }),
          ...call.headers,
        },
      },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (chunk: string) => {
          text += chunk;
        });
        incoming.on("end", () => {
          const isJson = incoming.headers["content-type"] === "application/json";
          resolve({
            statusCode: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text,
            body: isJson ? JSON.parse(text) : {},
          });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}

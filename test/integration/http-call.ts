import { request } from "node:http";

export interface CallOptions {
  /** Of a proxy's listener on 127.0.0.1. */
  readonly port: number;
  readonly host: string;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface CallAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

const LIMIT_MS = 10_000;

/** One request on a connection of its own. */
export function call({ port, host, path, method = "GET", headers = {}, body = "" }: CallOptions): Promise<CallAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: "127.0.0.1", port, path, method, headers: { host, ...headers }, agent: false, timeout: LIMIT_MS },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      },
    );
    outgoing.on("timeout", () =>
      outgoing.destroy(new Error(`No answer to ${method} http://${host}${path} in ${LIMIT_MS} ms`)),
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

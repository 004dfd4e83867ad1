import { request } from "node:http";

const LIMIT_MS = 120_000;

/** Tells `apps/grpc-driver.mjs`, which listens on `port`, to do `task`; resolves with its result. */
export function drive(port: number, task: string, options: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: "127.0.0.1", port, path: `/${task}`, method: "POST", agent: false, timeout: LIMIT_MS },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`The driver failed at ${task}: ${text}`));
        });
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error(`${task} did not end in ${LIMIT_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.end(JSON.stringify(options));
  });
}

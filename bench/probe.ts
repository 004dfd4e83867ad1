import { Agent, request } from "node:http";
import { systemClock } from "../src/time/system-clock.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One GET on a connection of its own. */
export function getOnce(port: number, authority: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false });
    const sent = request({ host: "127.0.0.1", port, path, agent, headers: { host: authority } }, (response) => {
      response.setEncoding("utf8");
      let body = "";
      response.on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    sent.setTimeout(5_000, () => sent.destroy(new Error("no answer within 5 s")));
    sent.on("error", reject);
    sent.end();
  });
}

export interface ProbeTarget {
  readonly title: string;
  readonly port: number;
  readonly authority: string;
  readonly path: string;
  readonly body: string;
}

/** Asks until the expected answer comes; resolves with how many milliseconds of the clock it is then. Rejects after 15 s. */
export async function waitForAnswer(target: ProbeTarget, pauseMs: number = 20): Promise<number> {
  const limit = systemClock.nowMs() + 15_000;
  let last = "nothing";
  while (systemClock.nowMs() < limit) {
    try {
      const { status, body } = await getOnce(target.port, target.authority, target.path);
      if (status === 200 && body === target.body) return systemClock.nowMs();
      last = `${status} ${body.slice(0, 200)}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await new Promise<void>((resolve) => systemClock.after(pauseMs, resolve, undefined));
  }
  throw new Error(`${target.title} did not answer as expected on port ${target.port}; the last answer was: ${last}`);
}

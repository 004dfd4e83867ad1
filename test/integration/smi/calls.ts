// Ways to call that the lab's own do not cover: one connection for many requests, bytes as they are, programs of other namespaces.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type IncomingMessage, request as openRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { endProcess } from "../mesh.ts";
import { type Echo, type Lab, readOnce } from "./lab.ts";

interface Reply {
  readonly status: number;
  readonly socket: Socket | null;
}

/** A GET of `host` on the agent's connection. */
export async function askOn(agent: Agent, port: number, host: string): Promise<Reply> {
  const outgoing = openRequest({ host: "127.0.0.1", port, path: "/", headers: { host }, agent });
  outgoing.end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const { socket } = outgoing;
  response.resume();
  await once(response, "end");
  return { status: response.statusCode ?? 0, socket };
}

export function isCut(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed || socket.readableEnded) {
      resolve();
      return;
    }
    socket.setTimeout(10_000, () => reject(new Error("the opaque connection stays open after its permission is gone")));
    for (const event of ["end", "close"]) socket.once(event, () => resolve());
    socket.resume();
  });
}

/** A program of another namespace (or of this one) asks app-b: the status it got. */
export async function askAsGuest(lab: Lab, namespace: string): Promise<string> {
  const script = 'fetch("http://app-b.default:9091/").then((r) => console.log("got", r.status))';
  const child = lab.mesh.spawnWeft(["run", "guest", "-n", namespace, "--", process.execPath, "-e", script]);
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  try {
    await once(child, "close");
  } finally {
    if (child.pid !== undefined && child.exitCode === null) endProcess(child.pid, "SIGKILL");
  }
  return /got (\d+)/.exec(text)?.[1] ?? text;
}

export function askWithoutCertificate(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    // In TLS 1.3 the client's handshake is over before the server has refused it.
    socket.on("error", (error) => resolve(error.message));
    socket.on("close", () => resolve("closed"));
  });
}

/** Lines as they are, which clients would join: the status. */
export async function askRaw(lab: Lab, head: string): Promise<number> {
  const socket = connect({ host: "127.0.0.1", port: lab.outboundPort("app-a") });
  socket.on("error", () => undefined);
  socket.write(`${head}Connection: close\r\n\r\n`);
  const text = await readOnce(socket);
  socket.destroy();
  return Number(text.split(" ")[1]);
}

/** `count` requests one after the other on one connection. */
export async function shareOnOne(lab: Lab, host: string, count: number): Promise<ReadonlyMap<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const counts = new Map<string, number>();
  const ports = new Set<number | undefined>();
  try {
    for (let done = 0; done < count; done += 1) {
      const app = await new Promise<string>((resolve, reject) => {
        const outgoing = openRequest({ port: lab.outboundPort("app-a"), host: "127.0.0.1", headers: { host }, agent });
        outgoing.on("error", reject);
        outgoing.on("response", (response) => {
          ports.add(outgoing.socket?.localPort);
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          response.on("end", () =>
            resolve(response.statusCode === 200 ? (JSON.parse(text) as Echo).app : `${response.statusCode}`),
          );
        });
        outgoing.end();
      });
      counts.set(app, (counts.get(app) ?? 0) + 1);
    }
  } finally {
    agent.destroy();
  }
  assert.equal(ports.size, 1, "one connection");
  return counts;
}

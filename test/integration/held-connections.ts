// Connections of each kind that stay open through what a test does.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import { encodeProxyHeader } from "../../src/capture/encode-proxy-header.ts";
import { within } from "../../src/testing/within.ts";
import { pause } from "./wait-until.ts";

export const TCP_PORT = 9000;
/** By then a request has come to the other app. */
const UNDER_WAY_MS = 200;

/** Something that stays open. */
export interface Held {
  /** Fails unless it is open and answers. */
  check(when: string): Promise<void>;
  /** Resolves when the other side has ended it. */
  readonly cut: Promise<void>;
  close(): void;
}

/** To the services echo (HTTP), chat (ws-peer.mjs) and bytes (tcp-echo.mjs on TCP_PORT), by a sidecar's outbound port. */
export async function openAll(port: number): Promise<readonly Held[]> {
  const held = [await openHttp2(port), await openWebSocket(port), await openTcp(port)];
  for (const one of held) await one.check("before");
  return held;
}

async function openHttp2(port: number): Promise<Held> {
  const session: ClientHttp2Session = connectHttp2(`http://127.0.0.1:${port}`);
  await within("an HTTP/2 connection", once(session, "connect"));
  session.on("error", () => undefined);
  const stream = await openStream(session);
  return {
    // The connection to the sidecar is the app's own; what is cut is what goes on from there.
    cut: new Promise((resolve) => {
      // An answer before the body has ended is the sidecar's.
      stream.once("response", () => resolve());
      stream.once("close", () => resolve());
    }),
    async check(when) {
      assert.equal(session.destroyed || session.closed, false, `the HTTP/2 connection is open ${when}`);
      const stream = session.request({ ":path": "/who", ":authority": "echo" });
      const [headers] = (await within("an answer on HTTP/2", once(stream, "response"))) as [Record<string, unknown>];
      stream.resume();
      assert.equal(headers[":status"], 200, when);
    },
    close: () => session.destroy(),
  };
}

/** A request whose body goes on, so that it is under way for as long as nobody ends it. */
async function openStream(session: ClientHttp2Session): Promise<ClientHttp2Stream> {
  const stream = session.request({ ":method": "POST", ":path": "/", ":authority": "echo" });
  stream.on("error", () => undefined);
  stream.write("more is to come");
  await pause(UNDER_WAY_MS);
  return stream;
}

async function openWebSocket(port: number): Promise<Held> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/echo`, ["echo.test"], { headers: { host: "chat" } });
  await within("a WebSocket", once(socket, "open"));
  socket.on("error", () => undefined);
  return {
    cut: new Promise((resolve) => socket.once("close", () => resolve())),
    async check(when) {
      assert.equal(socket.readyState, WebSocket.OPEN, `the WebSocket is open ${when}`);
      const echoed = once(socket, "message");
      socket.send(when);
      const [data] = (await within("an echo", echoed)) as [Buffer];
      assert.equal(data.toString(), when);
    },
    close: () => socket.terminate(),
  };
}

async function openTcp(port: number): Promise<Held> {
  const socket: Socket = connect(port, "127.0.0.1");
  await within("a TCP connection", once(socket, "connect"));
  socket.write(encodeProxyHeader("bytes", TCP_PORT));
  socket.on("error", () => undefined);
  return {
    cut: new Promise((resolve) => socket.once("close", () => resolve())),
    async check(when) {
      assert.equal(socket.destroyed || socket.readableEnded, false, `the TCP connection is open ${when}`);
      const echoed = once(socket, "data");
      socket.write(when);
      const [data] = (await within("an echo", echoed)) as [Buffer];
      assert.equal(data.toString(), `bytes:${when}`);
    },
    close: () => socket.destroy(),
  };
}

import type { KeyPair, Transport } from "../transport/transport.ts";
import { FLAG_ACK } from "../proxy/http2/frame.ts";
import { type FramePeer, FrameServer } from "./frame-peer.ts";
import { buildData, buildHeaders, buildPing, buildReset, buildSettings, buildSettingsAck } from "./http2-frames.ts";

export interface ScriptedRequest {
  readonly peer: FramePeer;
  readonly id: number;
  /** The head as `FrameTexts` writes it. */
  readonly head: string;
}

/** One instance behind the mesh's TLS, made of frames: it answers each head as the test's script says, or not at all. */
export class ScriptedReplica {
  /** Heads in the order they came. */
  readonly seen: string[] = [];
  script: (request: ScriptedRequest) => void = (request) => answerWith(request, 200, "fine");
  readonly #server: FrameServer = new FrameServer();

  async listen(transport: Transport, keyPair: KeyPair, trustBundlePem: string): Promise<void> {
    this.#server.onConnection = (peer) => {
      peer.onLine = (line) => this.#onLine(peer, line);
    };
    await this.#server.listen(transport, { keyPair, trustBundlePem, alpn: ["h2", "http/1.1"] });
  }

  get port(): number {
    return this.#server.port;
  }

  links(): readonly FramePeer[] {
    return this.#server.all;
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  #onLine(peer: FramePeer, line: string): void {
    if (line.startsWith("SETTINGS") && !line.includes("ACK")) peer.send(buildSettings(), buildSettingsAck());
    if (line === "PING") peer.send(buildPing(FLAG_ACK));
    const id = /^HEADERS (\d+) /.exec(line)?.[1];
    if (id === undefined) return;
    this.seen.push(line);
    this.script({ peer, id: Number(id), head: line });
  }
}

export function answerWith(
  { peer, id }: ScriptedRequest,
  status: number,
  body: string,
  fields: readonly (readonly [string, string])[] = [],
): void {
  peer.send(buildHeaders(id, [[":status", String(status)], ...fields]), buildData(id, body, { end: true }));
}

export function resetWith({ peer, id }: ScriptedRequest, code: number): void {
  peer.send(buildReset(id, code));
}

// hot. Frames out: how they are put together and written.
import { COPIED_BYTES } from "../../transport/write-queue.ts";
import type { Head } from "../head.ts";
import * as frames from "./frame.ts";
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import { KIND_REQUEST, KIND_RESPONSE } from "./hpack/head-decoder.ts";
import { HeadEncoder } from "./hpack/head-encoder.ts";
import type { PeerSettings } from "./peer-settings.ts";
import type { Http2Limits, Http2Output } from "./session-contract.ts";

const MAX_KEPT_VIEW_BYTES = 2_048;

/** Frames are put together here; no larger than what an output copies, so that it is free again at once. */
const scratch: Uint8Array = Buffer.allocUnsafeSlow(COPIED_BYTES);
const views: (Uint8Array | null)[] = Array.from({ length: MAX_KEPT_VIEW_BYTES + 1 }, () => null);

/**
 * Puts a session's frames together and writes them to its output. It knows what a frame looks like, and neither streams nor
 * windows: who calls it has checked that the frame may be sent.
 */
export class FrameWriter {
  readonly #output: Http2Output;
  readonly #peer: PeerSettings;
  readonly #encoder: HeadEncoder;
  /** The output said stop. What has to be written all the same, and is no DATA, still is. */
  blocked: boolean = false;
  /** Written although the output is blocked: heads, resets and answers to control frames. */
  blockedBytes: number = 0;

  constructor(output: Http2Output, peer: PeerSettings, tableBytes: number) {
    this.#output = output;
    this.#peer = peer;
    this.#encoder = new HeadEncoder({ tableBytes });
  }

  /** The output takes more again. */
  unblock(): void {
    this.blocked = false;
    this.blockedBytes = 0;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableBytes(bytes: number): void {
    this.#encoder.setPeerTableBytes(bytes);
  }

  /** What a client sends first. */
  preface(): void {
    this.#output.write(frames.PREFACE);
  }

  /** Our SETTINGS. */
  settings(isServer: boolean, limits: Http2Limits): void {
    const settings: [number, number][] = [
      [frames.SETTINGS_HEADER_TABLE_SIZE, limits.headerTableBytes],
      [frames.SETTINGS_INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
      [frames.SETTINGS_MAX_FRAME_SIZE, limits.maxFrameBytes],
      [frames.SETTINGS_MAX_HEADER_LIST_SIZE, limits.maxHeadBytes],
    ];
    if (isServer) {
      settings.push([frames.SETTINGS_MAX_CONCURRENT_STREAMS, limits.maxStreams]);
      settings.push([frames.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]);
    } else {
      settings.push([frames.SETTINGS_ENABLE_PUSH, 0]);
    }
    let at = FRAME_HEADER_BYTES;
    for (const [id, value] of settings) {
      scratch[at] = id >>> 8;
      scratch[at + 1] = id;
      writeUint32(scratch, at + 2, value);
      at += 6;
    }
    writeFrameHeader(scratch, 0, at - FRAME_HEADER_BYTES, FRAME_SETTINGS << 8, 0);
    this.#write(at);
  }

  settingsAck(): void {
    writeFrameHeader(scratch, 0, 0, (FRAME_SETTINGS << 8) | FLAG_ACK, 0);
    this.#write(FRAME_HEADER_BYTES);
  }

  ping(): void {
    writeFrameHeader(scratch, 0, 8, FRAME_PING << 8, 0);
    scratch.fill(0, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 8);
    this.#write(FRAME_HEADER_BYTES + 8);
  }

  /** The answer to a PING whose eight bytes are at `at`. */
  pong(bytes: Uint8Array, at: number): void {
    writeFrameHeader(scratch, 0, 8, (FRAME_PING << 8) | FLAG_ACK, 0);
    for (let index = 0; index < 8; index += 1) scratch[FRAME_HEADER_BYTES + index] = bytes[at + index] as number;
    this.#write(FRAME_HEADER_BYTES + 8);
  }

  goaway(lastStream: number, code: number, message: string): void {
    const text = Buffer.from(message.slice(0, 200), "latin1");
    writeFrameHeader(scratch, 0, 8 + text.length, FRAME_GOAWAY << 8, 0);
    writeUint32(scratch, FRAME_HEADER_BYTES, lastStream);
    writeUint32(scratch, FRAME_HEADER_BYTES + 4, code);
    scratch.set(text, FRAME_HEADER_BYTES + 8);
    this.#write(FRAME_HEADER_BYTES + 8 + text.length);
  }

  reset(id: number, code: number): void {
    writeFrameHeader(scratch, 0, 4, FRAME_RST_STREAM << 8, id);
    writeUint32(scratch, FRAME_HEADER_BYTES, code);
    this.#write(FRAME_HEADER_BYTES + 4);
  }

  windowUpdate(id: number, increment: number): void {
    writeFrameHeader(scratch, 0, 4, FRAME_WINDOW_UPDATE << 8, id);
    writeUint32(scratch, FRAME_HEADER_BYTES, increment);
    this.#write(FRAME_HEADER_BYTES + 4);
  }

  /** HEADERS, with CONTINUATION behind it as the peer's largest frame needs. `kind`: KIND_… of the decoder. */
  headers(kind: number, id: number, head: Head, end: boolean): void {
    const bound = HeadEncoder.bound(head) + FRAME_HEADER_BYTES;
    const out = bound <= scratch.length ? scratch : new Uint8Array(bound);
    const encoder = this.#encoder;
    const blockEnd =
      kind === KIND_REQUEST
        ? encoder.encodeRequest(head, out, FRAME_HEADER_BYTES)
        : kind === KIND_RESPONSE
          ? encoder.encodeResponse(head, out, FRAME_HEADER_BYTES)
          : encoder.encodeTrailers(head, out, FRAME_HEADER_BYTES);
    const length = blockEnd - FRAME_HEADER_BYTES;
    const endFlag = end ? FLAG_END_STREAM : 0;
    if (length <= this.#peer.frameBytes) {
      writeFrameHeader(out, 0, length, (FRAME_HEADERS << 8) | FLAG_END_HEADERS | endFlag, id);
      if (out === scratch) this.#write(blockEnd);
      else this.#writeBytes(out.subarray(0, blockEnd));
    } else {
      // A copy: `slice` of a Buffer would be a view of what the next frame's header is written to.
      this.#writeLongBlock(Uint8Array.prototype.slice.call(out, FRAME_HEADER_BYTES, blockEnd), id, endFlag);
    }
  }

  /** The caller has seen to the windows and to the peer's largest frame. */
  data(id: number, bytes: Uint8Array, end: boolean): void {
    const length = bytes.length;
    writeFrameHeader(scratch, 0, length, (FRAME_DATA << 8) | (end ? FLAG_END_STREAM : 0), id);
    this.#write(FRAME_HEADER_BYTES);
    if (length > 0) this.#writeBytes(bytes);
  }

  #writeLongBlock(block: Uint8Array, id: number, endFlag: number): void {
    let at = 0;
    let type = (FRAME_HEADERS << 8) | endFlag;
    while (at < block.length) {
      const take = Math.min(this.#peer.frameBytes, block.length - at);
      const last = at + take === block.length;
      writeFrameHeader(scratch, 0, take, type | (last ? FLAG_END_HEADERS : 0), id);
      this.#write(FRAME_HEADER_BYTES);
      this.#writeBytes(block.subarray(at, at + take));
      type = FRAME_CONTINUATION << 8;
      at += take;
    }
  }

  /** Writes the first `length` bytes of `scratch`. */
  #write(length: number): void {
    let view: Uint8Array | null = length <= MAX_KEPT_VIEW_BYTES ? (views[length] ?? null) : scratch.subarray(0, length);
    if (view === null) {
      view = scratch.subarray(0, length);
      views[length] = view;
    }
    if (this.blocked) this.blockedBytes += length;
    if (!this.#output.write(view)) this.blocked = true;
  }

  #writeBytes(bytes: Uint8Array): void {
    if (this.blocked) this.blockedBytes += bytes.length;
    if (!this.#output.write(bytes)) this.blocked = true;
  }
}

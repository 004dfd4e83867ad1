// What the peer allows us by its SETTINGS.
import * as frames from "./frame.ts";

/** What is wrong with a setting: the code of the GOAWAY, and its text. */
export interface SettingFault {
  readonly code: number;
  readonly message: string;
}

/**
 * What the peer's SETTINGS allow us (RFC 9113 section 6.5.2), with the RFC's defaults until they come. Only the session
 * sets it; the parts that send read it.
 */
export class PeerSettings {
  readonly #isServer: boolean;
  /** The peer's first SETTINGS have come. */
  seen: boolean = false;
  /** Send window that a new stream begins with. */
  initialWindowBytes: number = frames.DEFAULT_WINDOW_BYTES;
  /** Largest frame that the peer takes. */
  frameBytes: number = frames.DEFAULT_FRAME_BYTES;
  /** Streams that we may have open at once. */
  maxStreams: number = frames.MAX_STREAM_ID;
  /** The peer carries extended CONNECT (RFC 8441). */
  connectProtocol: boolean = false;

  /** `isServer`: the role that we play; the peer plays the other. */
  constructor(isServer: boolean) {
    this.#isServer = isServer;
  }

  /** Takes one setting; unknown ones are ignored. What is wrong with it, or null. */
  set(id: number, value: number): SettingFault | null {
    switch (id) {
      case frames.SETTINGS_ENABLE_PUSH:
        if (value <= 1 && (this.#isServer || value === 0)) return null;
        return { code: frames.PROTOCOL_ERROR, message: `SETTINGS_ENABLE_PUSH is ${value}` };
      case frames.SETTINGS_MAX_CONCURRENT_STREAMS:
        this.maxStreams = value;
        return null;
      case frames.SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > frames.MAX_WINDOW_BYTES) {
          return { code: frames.FLOW_CONTROL_ERROR, message: "SETTINGS_INITIAL_WINDOW_SIZE exceeds 2^31-1" };
        }
        this.initialWindowBytes = value;
        return null;
      case frames.SETTINGS_MAX_FRAME_SIZE:
        if (value < frames.DEFAULT_FRAME_BYTES || value > frames.MAX_FRAME_BYTES) {
          return { code: frames.PROTOCOL_ERROR, message: `SETTINGS_MAX_FRAME_SIZE is ${value}` };
        }
        this.frameBytes = value;
        return null;
      case frames.SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return { code: frames.PROTOCOL_ERROR, message: `SETTINGS_ENABLE_CONNECT_PROTOCOL is ${value}` };
        this.connectProtocol = value === 1;
        return null;
      default:
        return null;
    }
  }
}

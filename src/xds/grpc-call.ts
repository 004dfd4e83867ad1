import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import type { Clock } from "../time/clock.ts";
import { encodeGrpcMessage, GrpcMessageDecoder } from "./grpc-message-codec.ts";
import {
  fromHttp2Error,
  GRPC_CANCELLED,
  GRPC_DEADLINE_EXCEEDED,
  GRPC_INTERNAL,
  GRPC_OK,
  GRPC_RESOURCE_EXHAUSTED,
  GRPC_UNAVAILABLE,
  GrpcError,
  type GrpcStatus,
  toGrpcStatus,
} from "./grpc-status.ts";

export interface GrpcStreamHandlers {
  /** The bytes are the receiver's to keep. */
  onMessage(message: Uint8Array): void;
  /** The end, exactly once and last. Code 0 is OK. */
  onEnd(status: GrpcStatus): void;
  /** After `write` returned false: there is room again. */
  onDrain?(): void;
}

export interface GrpcStream {
  /** Takes the message always; false means the buffer is full: stop until `onDrain`. Ignored after the end. */
  write(message: Uint8Array): boolean;
  /** No more messages from our side; the server's go on until `onEnd`. */
  end(): void;
  /** Ends the call at once: `onEnd` follows with CANCELLED. */
  cancel(): void;
}

export interface GrpcCallOptions {
  readonly maxMessageBytes: number;
  /** Why the connection under the call is gone, or null while it stands. */
  readonly lostConnection: () => string | null;
}

export interface GrpcUnaryCallOptions extends GrpcCallOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
}

const HTTP2_CANCEL = 8;

/**
 * One gRPC call on one HTTP/2 stream. The status comes from the trailers, or from the headers when the server sent nothing
 * else; a stream that ends without either has failed, whatever arrived before.
 */
export class GrpcCall implements GrpcStream {
  readonly #stream: ClientHttp2Stream;
  readonly #handlers: GrpcStreamHandlers;
  readonly #decoder: GrpcMessageDecoder;
  readonly #lostConnection: () => string | null;
  #httpStatus = 200;
  /** What the server said, or why we gave up; the first one counts. */
  #status: GrpcStatus | null = null;
  #failure: string | null = null;
  #ended = false;

  constructor(stream: ClientHttp2Stream, handlers: GrpcStreamHandlers, options: GrpcCallOptions) {
    this.#stream = stream;
    this.#handlers = handlers;
    this.#decoder = new GrpcMessageDecoder(options.maxMessageBytes);
    this.#lostConnection = options.lostConnection;
    stream.on("response", (headers) => this.#onHeaders(headers));
    stream.on("data", (bytes: Uint8Array) => this.#onData(bytes));
    stream.on("trailers", (headers: IncomingHttpHeaders) => {
      this.#status ??= toGrpcStatus(headers, this.#httpStatus);
    });
    stream.on("drain", () => this.#handlers.onDrain?.());
    stream.on("error", (error: Error) => {
      this.#failure = error.message;
    });
    stream.on("close", () => this.#onClose());
  }

  /** One message each way. Rejects with GrpcError unless the status is OK and there is exactly one message. */
  static unary(stream: ClientHttp2Stream, request: Uint8Array, options: GrpcUnaryCallOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const messages: Uint8Array[] = [];
      const handlers: GrpcStreamHandlers = {
        onMessage(message) {
          messages.push(message);
          if (messages.length > 1) call.fail({ code: GRPC_INTERNAL, message: "a unary call was answered twice" });
        },
        onEnd(status) {
          timer.clear();
          const [answer] = messages;
          if (status.code !== GRPC_OK) reject(new GrpcError(status));
          else if (answer !== undefined) resolve(answer);
          else reject(new GrpcError({ code: GRPC_INTERNAL, message: "a unary call was answered without a message" }));
        },
      };
      const call = new GrpcCall(stream, handlers, options);
      const expired = { code: GRPC_DEADLINE_EXCEEDED, message: `no answer within ${options.deadlineMs} ms` };
      const timer = options.clock.after(options.deadlineMs, (status: GrpcStatus) => call.fail(status), expired);
      call.write(request);
      call.end();
    });
  }

  write(message: Uint8Array): boolean {
    if (this.#ended || this.#status !== null || this.#stream.writableEnded || this.#stream.destroyed) return true;
    return this.#stream.write(encodeGrpcMessage(message));
  }

  end(): void {
    if (!this.#ended && !this.#stream.destroyed) this.#stream.end();
  }

  cancel(): void {
    this.fail({ code: GRPC_CANCELLED, message: "the call was cancelled" });
  }

  /** Ends the call at once with `status`. */
  fail(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#status ??= status;
    this.#stream.close(HTTP2_CANCEL);
  }

  #onHeaders(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    this.#httpStatus = headers[":status"] ?? 0;
    const isGrpc = this.#httpStatus === 200 && (headers["content-type"] ?? "").startsWith("application/grpc");
    if ("grpc-status" in headers || !isGrpc) this.fail(toGrpcStatus(headers, this.#httpStatus));
  }

  #onData(bytes: Uint8Array): void {
    if (this.#status !== null) return;
    const problem = this.#decoder.push(bytes, (message) => {
      if (this.#status === null) this.#handlers.onMessage(message);
    });
    if (problem === "too-large") {
      this.fail({ code: GRPC_RESOURCE_EXHAUSTED, message: "the server sent a message above the size limit" });
    } else if (problem === "compressed") {
      this.fail({ code: GRPC_INTERNAL, message: "the server sent a compressed message, which was not offered" });
    }
  }

  #onClose(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers.onEnd(this.#finalStatus());
  }

  #finalStatus(): GrpcStatus {
    if (this.#status !== null) {
      if (this.#status.code === GRPC_OK && this.#decoder.isInsideMessage()) {
        return { code: GRPC_INTERNAL, message: "the response ended in the middle of a message" };
      }
      return this.#status;
    }
    // A lost connection resets its streams with codes of the platform's choice; they say nothing about the call.
    const lost = this.#lostConnection();
    if (lost !== null) return { code: GRPC_UNAVAILABLE, message: lost };
    const { rstCode } = this.#stream;
    if (rstCode !== undefined && rstCode !== 0) return fromHttp2Error(rstCode);
    return { code: GRPC_UNAVAILABLE, message: this.#failure ?? "the connection ended before the call did" };
  }
}

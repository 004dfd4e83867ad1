import { type ClientDuplexStream, Client, connectivityState, credentials, Metadata, status } from "@grpc/grpc-js";
import type { weft } from "#gen/protos.js";
import type { Clock } from "../../time/clock.ts";
import type { EtcdEndpoint } from "./etcd-endpoints.ts";
import type { MemberFailure } from "./etcd-failure.ts";
import { type MessageCodec, STATUS } from "./etcd-messages.ts";
import { type ConnectionFault, MAYBE_TLS } from "./describe-tls-fault.ts";
import type { TlsCredentials } from "./tls-credentials.ts";

/** Faster than gRPC's own two minutes: an operator who restarted a member wants it used at once. */
const CHANNEL_OPTIONS = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  // etcd ends connections that ping more often than every 5 s.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_retries": 0,
  // A mesh's own http_proxy must not come between a control plane and its store.
  "grpc.enable_http_proxy": 0,
  "grpc.use_local_subchannel_pool": 1,
} as const;

/** gRPC's word for a connection that ended before it became one of HTTP/2. */
const NO_HTTP2 = "Failed to connect";

export type WatchStream = ClientDuplexStream<weft.etcd.WatchRequest, weft.etcd.WatchResponse>;

export class MemberError extends Error {
  readonly failure: MemberFailure;

  constructor(failure: MemberFailure) {
    super(`${failure.endpoint}: ${failure.text}`);
    this.name = "MemberError";
    this.failure = failure;
  }
}

/** The connection to one member of etcd. */
export class EtcdMember {
  readonly name: string;
  readonly #client: Client;
  readonly #tls: TlsCredentials | null;
  readonly #clock: Clock;
  #closed: boolean = false;

  /** `tls` null = in the clear. */
  constructor(endpoint: EtcdEndpoint, tls: TlsCredentials | null, clock: Clock) {
    this.name = endpoint.name;
    this.#tls = tls;
    this.#clock = clock;
    this.#client = new Client(endpoint.target, tls ?? credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  /** Rejects with MemberError. `timeoutMs` covers connecting too. */
  unary<Request, Response>(
    method: MessageCodec<Request, Response>,
    request: Request,
    options: { readonly timeoutMs: number; readonly token: string | null },
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#error(status.CANCELLED, "closed", true));
        return;
      }
      let timedOut = false;
      const call = this.#client.makeUnaryRequest(
        method.path,
        method.encode,
        method.decode,
        request,
        toMetadata(options.token),
        (error, response) => {
          timer.clear();
          if (error === null && response !== undefined) resolve(response);
          else if (timedOut)
            reject(this.#error(status.DEADLINE_EXCEEDED, `no answer in ${options.timeoutMs} ms`, false));
          else reject(this.#error(error?.code ?? status.UNKNOWN, error?.details ?? "no answer", false));
        },
      );
      // Not gRPC's deadline, which is a wall-clock time and so would follow a clock that jumps.
      const timer = this.#clock.after(
        options.timeoutMs,
        () => {
          timedOut = true;
          call.cancel();
        },
        undefined,
      );
    });
  }

  /** Resolves when there is a connection; rejects with a MemberError that is `unsent`. */
  async connect(timeoutMs: number): Promise<void> {
    if (!this.#closed && this.#client.getChannel().getConnectivityState(true) === connectivityState.READY) return;
    try {
      await this.unary(STATUS, {}, { timeoutMs, token: null });
    } catch (error) {
      if (!(error instanceof MemberError)) throw error;
      const { failure } = error;
      // It answered, if only to say no: the connection is there.
      if (![status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED].includes(failure.code)) return;
      throw new MemberError({ ...failure, unsent: true });
    }
  }

  openWatch(method: MessageCodec<weft.etcd.WatchRequest, weft.etcd.WatchResponse>, token: string | null): WatchStream {
    return this.#client.makeBidiStreamRequest(method.path, method.encode, method.decode, toMetadata(token));
  }

  openStream<Request, Response>(
    method: MessageCodec<Request, Response>,
    token: string | null,
  ): ClientDuplexStream<Request, Response> {
    return this.#client.makeBidiStreamRequest(method.path, method.encode, method.decode, toMetadata(token));
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  #error(code: status, text: string, unsent: boolean): MemberError {
    const words = { text: describe(code, text), ...(code === status.UNAVAILABLE ? this.#fault(text) : null) };
    return new MemberError({ endpoint: this.name, code, unsent, ...words });
  }

  #fault(text: string): ConnectionFault | null {
    if (this.#tls !== null) return this.#tls.fault();
    return text.includes(NO_HTTP2) ? MAYBE_TLS : null;
  }
}

function toMetadata(token: string | null): Metadata {
  const metadata = new Metadata();
  // A member cut off from the others refuses at once, and ends its watches, instead of waiting or showing the past.
  metadata.set("hasleader", "true");
  if (token !== null) metadata.set("token", token);
  return metadata;
}

/** gRPC says of an attempt to connect when it was, and what resolved the name; neither is of use to who reads it. */
function describe(code: status, text: string): string {
  if (text === "") return status[code] ?? `gRPC status ${code}`;
  const [, last] =
    /^No connection established\. Last error: (?:Error: )?(.*?)(?: \([\dT:.Z-]+\))?\. Resolution note: $/s.exec(text) ??
    [];
  return last ?? text;
}

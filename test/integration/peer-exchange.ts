import { createHash } from "node:crypto";
import { request as requestHttp1 } from "node:http";
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { connect } from "node:net";
import { systemClock } from "../../src/time/system-clock.ts";

/** A listener, as one protocol and one service behind it are met there. */
export interface PeerPlace {
  readonly speaks: "HTTP/1.1" | "HTTP/2";
  /** On 127.0.0.1. */
  readonly port: number;
  /** The name that is asked for. */
  readonly authority: string;
}

export interface PeerRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Buffer;
  readonly trailers?: Readonly<Record<string, string>>;
  /** The body goes without a content-length. */
  readonly unsized?: boolean;
  /** The body waits for 100 (Continue). */
  readonly expectContinue?: boolean;
  /** Called with each part of the body as it comes; true ends the exchange there, as far as it came. */
  readonly onData?: (bytes: Buffer) => boolean;
}

export interface PeerAnswer {
  readonly status: number;
  /** As Node gives them: lower case, joined where HTTP joins them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Statuses and links of interim answers. */
  readonly interim: readonly (readonly [status: number, link: string])[];
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

type InterimHead = IncomingHttpHeaders & { ":status"?: number | undefined };

const LIMIT_MS = 30_000;

/** One request on a connection of its own, with Node's client. Rejects when the answer breaks off. */
export function exchange(place: PeerPlace, request: PeerRequest): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const limit = systemClock.after(
      LIMIT_MS,
      () => reject(new Error(`No answer to ${request.path} over ${place.speaks} in ${LIMIT_MS} ms`)),
      undefined,
    );
    const start = place.speaks === "HTTP/2" ? overHttp2 : overHttp1;
    start(place, request).then(
      (answer) => {
        limit.clear();
        resolve(answer);
      },
      (error: unknown) => {
        limit.clear();
        reject(error as Error);
      },
    );
  });
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function overHttp1(
  place: PeerPlace,
  { path, method = "GET", headers, body, trailers, unsized, expectContinue, onData }: PeerRequest,
): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const expect = expectContinue === true ? { expect: "100-continue" } : {};
    const interim: (readonly [number, string])[] = [];
    const declared = trailers === undefined ? {} : { trailer: Object.keys(trailers).join(", ") };
    const length =
      body === undefined || trailers !== undefined || unsized === true ? {} : { "content-length": String(body.length) };
    const outgoing = requestHttp1(
      {
        host: "127.0.0.1",
        port: place.port,
        path,
        method,
        headers: { host: place.authority, ...length, ...declared, ...expect, ...headers },
        agent: false,
        maxHeaderSize: 256 * 1024,
      },
      (response) => {
        const chunks: Buffer[] = [];
        const finish = (): void =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            interim,
            trailers: response.trailers,
            body: Buffer.concat(chunks),
          });
        response.on("data", (bytes: Buffer) => {
          chunks.push(bytes);
          if (onData?.(bytes) !== true) return;
          finish();
          outgoing.destroy();
        });
        response.on("error", reject);
        response.on("end", finish);
      },
    );
    outgoing.on("information", (info) => interim.push([info.statusCode, String(info.headers["link"] ?? "")]));
    outgoing.on("error", reject);
    if (trailers !== undefined) outgoing.addTrailers({ ...trailers });
    if (expectContinue === true) outgoing.on("continue", () => outgoing.end(body)).flushHeaders();
    else outgoing.end(body);
  });
}

function overHttp2(
  place: PeerPlace,
  { path, method = "GET", headers, body, trailers, unsized, expectContinue, onData }: PeerRequest,
): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${place.authority}`, {
      createConnection: () => connect(place.port, "127.0.0.1"),
      // MB; Node counts what waits in its own buffers.
      maxSessionMemory: 256,
    });
    session.on("error", reject);
    const expect = expectContinue === true ? { expect: "100-continue" } : {};
    const length =
      body === undefined || trailers !== undefined || unsized === true ? {} : { "content-length": body.length };
    const stream = session.request(
      { ":method": method, ":path": path, ":authority": place.authority, ...length, ...expect, ...headers },
      { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
    );
    const interim: (readonly [number, string])[] = [];
    const chunks: Buffer[] = [];
    let head: InterimHead = {};
    let answerTrailers: IncomingHttpHeaders = {};
    stream.on("headers", (info: InterimHead) => interim.push([info[":status"] ?? 0, String(info["link"] ?? "")]));
    stream.on("response", (found) => (head = found));
    stream.on("trailers", (found) => (answerTrailers = found));
    let enough = false;
    stream.on("data", (bytes: Buffer) => {
      chunks.push(bytes);
      if (enough || onData?.(bytes) !== true) return;
      enough = true;
      stream.close(constants.NGHTTP2_CANCEL);
    });
    if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers({ ...trailers }));
    stream.on("error", reject);
    stream.on("close", () => {
      session.close();
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR && !enough) {
        reject(new Error(`The stream of ${path} ended with code ${stream.rstCode}`));
        return;
      }
      const { ":status": status = 0, ...rest } = head;
      resolve({ status, headers: rest, interim, trailers: answerTrailers, body: Buffer.concat(chunks) });
    });
    if (expectContinue === true) stream.on("continue", () => stream.end(body));
    else if (body !== undefined || trailers !== undefined) stream.end(body);
  });
}

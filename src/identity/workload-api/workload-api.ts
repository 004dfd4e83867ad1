import { createPrivateKey } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import type { Metadata, ServerWritableStream, ServerUnaryCall, sendUnaryData, ServiceDefinition } from "@grpc/grpc-js";
import { WeftError } from "../../lib/weft-error.ts";
import type { Identity } from "../identity-file.ts";
import { parseCertificates } from "../peer-judge.ts";
import { parseSpiffeId } from "../spiffe-id.ts";
import { encodeX509BundlesResponse, encodeX509SvidResponse } from "./messages.ts";

/** What the Workload API serves now. */
export interface WorkloadContext {
  readonly identity: Identity;
  /** PEM roots by trust domain, the own one included. */
  readonly bundles: ReadonlyMap<string, string>;
}

export interface WorkloadApi {
  /** Pushes to every open stream. */
  update(context: WorkloadContext): void;
  close(): void;
}

type Stream = ServerWritableStream<unknown, Buffer>;

/** A workload has a handful of streams open; a program that leaks them is told. */
const MAX_STREAMS = 64;
/** Linux: sun_path has 108 bytes with its end. */
const MAX_PATH_BYTES = 107;
const SERVICE = "/SpiffeWorkloadAPI";
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;

/**
 * SPIFFE's Workload API on a unix socket, for one workload: FetchX509SVID and FetchX509Bundles, with every renewal pushed.
 * JWT-SVIDs are not issued: UNIMPLEMENTED. Who can open the socket has the identity, so it is the owner's alone (0600, in
 * the proxy's own 0700 folder). Every call must carry `workload.spiffe.io: true` (SPIFFE Workload Endpoint, 4), which a request
 * forged through a browser or an HTTP client cannot. Throws WEFT_WORKLOAD_API_SOCKET when the socket cannot be had.
 */
export async function serveWorkloadApi(path: string, context: WorkloadContext): Promise<WorkloadApi> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw socketError(path, `a path of ${Buffer.byteLength(path)} bytes; expected at most ${MAX_PATH_BYTES}`);
  }
  // Some megabytes that only those need who ask for it.
  const { Server, ServerCredentials } = await import("@grpc/grpc-js");
  const api = new Streams(context);
  const server = new Server({ "grpc.max_receive_message_length": 65_536 });
  server.addService(DEFINITION, {
    fetchX509Svid: (call: Stream) => api.open(call, "svid"),
    fetchX509Bundles: (call: Stream) => api.open(call, "bundles"),
    fetchJwtSvid: refuseJwt,
    fetchJwtBundles: (call: Stream) => call.emit("error", JWT_REFUSAL),
    validateJwtSvid: refuseJwt,
  });
  // Of a proxy that was killed.
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(socketError(path, error.message, error));
    });
  });
  chmodSync(path, 0o600);
  return {
    update: (next) => api.update(next),
    close: () => {
      server.forceShutdown();
      rmSync(path, { force: true });
    },
  };
}

class Streams {
  readonly #open: Map<Stream, "svid" | "bundles"> = new Map();
  #context: WorkloadContext;

  constructor(context: WorkloadContext) {
    this.#context = context;
  }

  open(call: Stream, what: "svid" | "bundles"): void {
    const refusal = refuseCall(call.metadata);
    if (refusal !== null || this.#open.size >= MAX_STREAMS) {
      const full = { code: RESOURCE_EXHAUSTED, details: `${MAX_STREAMS} streams are open already; expected fewer` };
      call.emit("error", refusal ?? full);
      return;
    }
    this.#open.set(call, what);
    call.on("close", () => this.#open.delete(call));
    call.on("cancelled", () => this.#open.delete(call));
    this.#send(call, what);
  }

  update(context: WorkloadContext): void {
    this.#context = context;
    for (const [call, what] of this.#open) this.#send(call, what);
  }

  #send(call: Stream, what: "svid" | "bundles"): void {
    const { bundles, identity } = this.#context;
    const byName = new Map([...bundles].map(([domain, pem]) => [`spiffe://${domain}`, toDer(pem)]));
    if (what === "bundles") {
      call.write(encodeX509BundlesResponse(byName));
      return;
    }
    const own = `spiffe://${parseSpiffeId(identity.spiffeId)?.trustDomain ?? ""}`;
    const svid = {
      spiffeId: identity.spiffeId,
      chain: toDer(identity.certificateChainPem),
      key: createPrivateKey(identity.keyPem).export({ type: "pkcs8", format: "der" }),
      bundle: byName.get(own) ?? toDer(identity.trustBundlePem),
    };
    byName.delete(own);
    call.write(encodeX509SvidResponse(svid, byName));
  }
}

function refuseCall(metadata: Metadata): { readonly code: number; readonly details: string } | null {
  const found = metadata.get("workload.spiffe.io");
  if (found.length === 1 && found[0] === "true") return null;
  return { code: INVALID_ARGUMENT, details: "security header missing from request: expected workload.spiffe.io: true" };
}

const JWT_REFUSAL = { code: UNIMPLEMENTED, details: "weft issues X.509-SVIDs only" };

function refuseJwt(_call: ServerUnaryCall<unknown, Buffer>, respond: sendUnaryData<Buffer>): void {
  respond(JWT_REFUSAL, null);
}

function toDer(pem: string): Uint8Array {
  return Buffer.concat(parseCertificates(pem).map((certificate) => certificate.raw));
}

function socketError(path: string, found: string, cause?: unknown): WeftError {
  return new WeftError("WEFT_WORKLOAD_API_SOCKET", `Cannot serve the Workload API on "${path}": found ${found}`, {
    hint: "Use a state folder with a shorter path, or leave workloadApi out",
    cause,
  });
}

const RAW = {
  requestSerialize: passThrough,
  requestDeserialize: passThrough,
  responseSerialize: passThrough,
  responseDeserialize: passThrough,
};

const DEFINITION: ServiceDefinition = {
  fetchX509Svid: { path: `${SERVICE}/FetchX509SVID`, requestStream: false, responseStream: true, ...RAW },
  fetchX509Bundles: { path: `${SERVICE}/FetchX509Bundles`, requestStream: false, responseStream: true, ...RAW },
  fetchJwtSvid: { path: `${SERVICE}/FetchJWTSVID`, requestStream: false, responseStream: false, ...RAW },
  fetchJwtBundles: { path: `${SERVICE}/FetchJWTBundles`, requestStream: false, responseStream: true, ...RAW },
  validateJwtSvid: { path: `${SERVICE}/ValidateJWTSVID`, requestStream: false, responseStream: false, ...RAW },
};

function passThrough(bytes: Buffer): Buffer {
  return bytes;
}

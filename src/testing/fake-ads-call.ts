import { EventEmitter } from "node:events";
import { envoy } from "#gen/protos.js";
import type { PeerIdentity } from "../control/ads/peer-identity.ts";

type Request = envoy.service.discovery.v3.DeltaDiscoveryRequest;
type Response = envoy.service.discovery.v3.DeltaDiscoveryResponse;

/** A grpc-js call of the ADS server without a network: tests send requests and read what was written. */
export class FakeAdsCall extends EventEmitter {
  readonly written: Response[] = [];
  status: { readonly code: number; readonly details: string } | null = null;
  isEnded: boolean = false;
  /** How many more messages it takes before it is full. */
  room: number = Number.POSITIVE_INFINITY;

  readonly peer: PeerIdentity | null;

  constructor(peer: PeerIdentity | null) {
    super();
    this.peer = peer;
    this.on("error", (status: { readonly code: number; readonly details: string }) => {
      this.status = status;
    });
  }

  write(bytes: Uint8Array): boolean {
    this.written.push(envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes));
    this.room -= 1;
    return this.room > 0;
  }

  end(): void {
    this.isEnded = true;
  }

  send(request: Request): void {
    this.emit("data", Buffer.from(envoy.service.discovery.v3.DeltaDiscoveryRequest.encode(request).finish()));
  }

  /** Takes what was written, acknowledging it, until nothing more comes. */
  drain(): readonly string[] {
    const log: string[] = [];
    for (let next = this.written.shift(); next !== undefined; next = this.written.shift()) {
      log.push([(next.typeUrl ?? "").split(".").at(-1), ...(next.resources ?? []).map(({ name }) => name)].join(" "));
      this.send({ typeUrl: next.typeUrl ?? "", responseNonce: next.nonce ?? "" });
    }
    return log;
  }
}

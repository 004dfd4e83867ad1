import type { BoundAddress, InboundPort, IngressPort, UdpPort } from "../../proxy-node.ts";
import type { Credentials } from "../runtime.ts";

/** The listeners that carry traffic: served in this process (`listener-set.ts`) or by workers (`../worker/worker-pool.ts`). */
export interface TrafficListeners {
  /** Each resolves with the port it got; rejects with `WEFT_TRANSPORT_LISTEN`. */
  bindOutbound(wanted: BoundAddress): Promise<BoundAddress>;
  bindUdp(wanted: UdpPort): Promise<UdpPort>;
  bindIngress(wanted: IngressPort): Promise<IngressPort>;
  bindInbound(wanted: InboundPort, credentials: Credentials): Promise<InboundPort>;
  /** New connections use these credentials. */
  reload(credentials: Credentials): Promise<void>;
  /** Stops accepting. With workers it resolves when what they hold has ended, too. */
  close(): Promise<void>;
}

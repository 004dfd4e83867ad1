import type { Clock } from "../time/clock.ts";
import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyConnect } from "./proxy-connect-table.ts";
import { testPairTunnels } from "./proxy-tunnel-pair-table.ts";
import { testProxyTunnels } from "./proxy-tunnel-table.ts";

const NETWORKS = [
  { name: "this runtime's sockets", create: selectTransport },
  { name: "memory", create: async (clock: Clock) => new MemoryTransport(clock) },
  {
    name: "memory that delivers in small pieces",
    create: async (clock: Clock) => {
      const transport = new MemoryTransport(clock);
      transport.conditions.chunkBytes = 1_000;
      return transport;
    },
  },
];

for (const network of NETWORKS) {
  testProxyTunnels(network);
  testProxyConnect(network);
  testPairTunnels(network);
}

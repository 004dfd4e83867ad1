import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyTunnels } from "./proxy-tunnel-table.ts";

testProxyTunnels({ name: "this runtime's sockets", create: selectTransport });
testProxyTunnels({ name: "memory", create: async (clock) => new MemoryTransport(clock) });
testProxyTunnels({
  name: "memory that delivers in small pieces",
  create: async (clock) => {
    const transport = new MemoryTransport(clock);
    transport.conditions.chunkBytes = 1_000;
    return transport;
  },
});

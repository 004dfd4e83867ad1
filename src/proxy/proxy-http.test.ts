import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyPair } from "./proxy-http-table.ts";

testProxyPair({ name: "this runtime's sockets", create: selectTransport });
testProxyPair({ name: "memory", create: async (clock) => new MemoryTransport(clock) });
testProxyPair({
  name: "memory that delivers in small pieces",
  create: async (clock) => {
    const transport = new MemoryTransport(clock);
    transport.conditions.chunkBytes = 1_000;
    return transport;
  },
});

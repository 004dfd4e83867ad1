import { MemoryDatagrams } from "../transport/memory-datagrams.ts";
import { MemoryTransport } from "../transport/memory.ts";
import { NodeDatagrams } from "../transport/node-datagrams.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyUdp } from "./proxy-udp-table.ts";

testProxyUdp({
  name: "this runtime's sockets",
  create: selectTransport,
  createDatagrams: () => new NodeDatagrams(),
});
testProxyUdp({
  name: "memory",
  create: async (clock) => new MemoryTransport(clock),
  createDatagrams: () => new MemoryDatagrams(),
});

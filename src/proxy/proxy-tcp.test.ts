import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyTcp } from "./proxy-tcp-table.ts";

testProxyTcp({ name: "this runtime's sockets", create: selectTransport });
testProxyTcp({ name: "memory", create: async (clock) => new MemoryTransport(clock) });

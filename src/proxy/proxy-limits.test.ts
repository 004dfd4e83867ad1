import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyLimits } from "./proxy-limits-table.ts";

testProxyLimits({ name: "this runtime's sockets", create: selectTransport });
testProxyLimits({ name: "memory", create: async (clock) => new MemoryTransport(clock) });

import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyRetries } from "./proxy-retry-table.ts";

testProxyRetries({ name: "this runtime's sockets", create: selectTransport });
testProxyRetries({ name: "memory", create: async (clock) => new MemoryTransport(clock) });

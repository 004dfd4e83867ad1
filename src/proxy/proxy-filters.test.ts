import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { testProxyFilters } from "./proxy-filters-table.ts";

testProxyFilters({ name: "this runtime's sockets", create: selectTransport });
testProxyFilters({ name: "memory", create: async (clock) => new MemoryTransport(clock) });

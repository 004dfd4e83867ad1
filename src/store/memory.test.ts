import { createMemoryStore } from "./memory.ts";
import { describeStore } from "./store-table.ts";

describeStore("MemoryStore", async (context, options) => {
  const store = createMemoryStore(options);
  context.after(() => store.close());
  return store;
});

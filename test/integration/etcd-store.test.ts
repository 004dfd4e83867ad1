import { after, before } from "node:test";
import { openEtcdStore } from "../../src/store/etcd/open-etcd-store.ts";
import { describeStore } from "../../src/store/store-table.ts";
import { createClient, ETCD, EtcdCluster, SILENT } from "./etcd-cluster.ts";
import { countFromZero } from "./relative-store.ts";

let cluster: EtcdCluster;
let meshes = 0;

if (ETCD.skip === false) {
  before(async () => {
    cluster = await EtcdCluster.start();
  });
  after(() => cluster.stop());

  describeStore(
    "EtcdStore",
    async (context, options) => {
      meshes += 1;
      const client = createClient(cluster.endpoints());
      const store = await openEtcdStore({ ...options, client, mesh: `m${meshes}`, log: SILENT });
      context.after(async () => {
        await store.close();
        client.close();
      });
      return await countFromZero(store);
    },
    { remote: true },
  );
}

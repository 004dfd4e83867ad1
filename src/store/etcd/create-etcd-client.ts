import type { EtcdClient, EtcdClientOptions } from "./etcd-client.ts";
import { GrpcEtcdClient } from "./grpc-etcd-client.ts";

/** Connects with the first call. Throws WEFT_STORE_INVALID for endpoints that are none. */
export function createEtcdClient(options: EtcdClientOptions): EtcdClient {
  return new GrpcEtcdClient(options);
}

import { type MessageType, weft } from "#gen/protos.js";
import type { EtcdCompare, EtcdEvent, EtcdKeyValue, EtcdOperation, EtcdRange, EtcdTxn } from "./etcd-client.ts";

/** One method of etcd's gRPC services. */
export interface MessageCodec<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

type Etcd = typeof weft.etcd;
const { etcd } = weft as { readonly etcd: Etcd };

export const RANGE: MessageCodec<weft.etcd.RangeRequest, weft.etcd.RangeResponse> = method(
  "KV/Range",
  etcd.RangeRequest,
  etcd.RangeResponse,
);
export const TXN: MessageCodec<weft.etcd.TxnRequest, weft.etcd.TxnResponse> = method(
  "KV/Txn",
  etcd.TxnRequest,
  etcd.TxnResponse,
);
export const COMPACT: MessageCodec<weft.etcd.CompactionRequest, weft.etcd.CompactionResponse> = method(
  "KV/Compact",
  etcd.CompactionRequest,
  etcd.CompactionResponse,
);
export const WATCH: MessageCodec<weft.etcd.WatchRequest, weft.etcd.WatchResponse> = method(
  "Watch/Watch",
  etcd.WatchRequest,
  etcd.WatchResponse,
);
export const LEASE_GRANT: MessageCodec<weft.etcd.LeaseGrantRequest, weft.etcd.LeaseGrantResponse> = method(
  "Lease/LeaseGrant",
  etcd.LeaseGrantRequest,
  etcd.LeaseGrantResponse,
);
export const LEASE_REVOKE: MessageCodec<weft.etcd.LeaseRevokeRequest, weft.etcd.LeaseRevokeResponse> = method(
  "Lease/LeaseRevoke",
  etcd.LeaseRevokeRequest,
  etcd.LeaseRevokeResponse,
);
export const LEASE_KEEP_ALIVE: MessageCodec<weft.etcd.LeaseKeepAliveRequest, weft.etcd.LeaseKeepAliveResponse> = method(
  "Lease/LeaseKeepAlive",
  etcd.LeaseKeepAliveRequest,
  etcd.LeaseKeepAliveResponse,
);
export const STATUS: MessageCodec<weft.etcd.StatusRequest, weft.etcd.StatusResponse> = method(
  "Maintenance/Status",
  etcd.StatusRequest,
  etcd.StatusResponse,
);
export const AUTHENTICATE: MessageCodec<weft.etcd.AuthenticateRequest, weft.etcd.AuthenticateResponse> = method(
  "Auth/Authenticate",
  etcd.AuthenticateRequest,
  etcd.AuthenticateResponse,
);

const COMPARE_CREATE = 1;
const COMPARE_MOD = 2;
const COMPARE_VALUE = 3;
const EVENT_DELETE = 1;

export function toRangeRequest(range: EtcdRange): weft.etcd.RangeRequest {
  return {
    key: Buffer.from(range.key),
    rangeEnd: range.rangeEnd === undefined ? null : Buffer.from(range.rangeEnd),
    limit: range.limit ?? 0,
    revision: range.revision ?? 0,
    keysOnly: range.keysOnly ?? false,
  };
}

export function toTxnRequest(txn: EtcdTxn): weft.etcd.TxnRequest {
  return {
    compare: txn.compare.map(toCompare),
    success: txn.success.map(toRequestOp),
    failure: (txn.failure ?? []).map(toRequestOp),
  };
}

export function toKeyValue(kv: weft.etcd.KeyValue): EtcdKeyValue {
  return {
    key: Buffer.from(kv.key ?? []).toString(),
    value: Buffer.from(kv.value ?? []),
    createRevision: kv.createRevision ?? 0,
    modRevision: kv.modRevision ?? 0,
  };
}

export function toEvent(event: weft.etcd.Event): EtcdEvent {
  return {
    type: event.type === EVENT_DELETE ? "DELETE" : "PUT",
    kv: toKeyValue(event.kv ?? {}),
    previous: event.prevKv === null || event.prevKv === undefined ? null : toKeyValue(event.prevKv),
  };
}

export function isChange(txn: EtcdTxn): boolean {
  return [...txn.success, ...(txn.failure ?? [])].some((operation) => !("get" in operation));
}

function toCompare(compare: EtcdCompare): weft.etcd.Compare {
  const key = Buffer.from(compare.key);
  if ("modRevision" in compare) return { key, result: 0, target: COMPARE_MOD, modRevision: compare.modRevision };
  if ("value" in compare) return { key, result: 0, target: COMPARE_VALUE, value: Buffer.from(compare.value) };
  return { key, result: 0, target: COMPARE_CREATE, createRevision: compare.createRevision };
}

function toRequestOp(operation: EtcdOperation): weft.etcd.RequestOp {
  if ("get" in operation) return { requestRange: { key: Buffer.from(operation.get) } };
  if ("put" in operation) {
    const { put, value, leaseId } = operation;
    return { requestPut: { key: Buffer.from(put), value: Buffer.from(value), lease: leaseId ?? 0 } };
  }
  const rangeEnd = operation.rangeEnd === undefined ? null : Buffer.from(operation.rangeEnd);
  return { requestDeleteRange: { key: Buffer.from(operation.delete), rangeEnd } };
}

function method<Request, Response>(
  path: string,
  request: Pick<MessageType<Request>, "encode">,
  response: Pick<MessageType<Response>, "decode">,
): MessageCodec<Request, Response> {
  return {
    path: `/etcdserverpb.${path}`,
    encode: (message) => Buffer.from(request.encode(message).finish()),
    decode: (bytes) => response.decode(bytes),
  };
}

import { networkInterfaces } from "node:os";
import { isLoopbackAddress } from "./loopback-address.ts";

/** Where the API is reached. */
export interface ApiUrls {
  /** By weft itself on this machine: plain HTTP where the API takes it. */
  readonly local: string;
  /** By Kubernetes' clients on this machine, over TLS; the certificate is looked at as that of `localhost`. */
  readonly localTls: string;
  /** By everybody else, over TLS. */
  readonly server: string;
}

export interface ApiUrlOptions {
  readonly address: string;
  readonly port: number;
  /** Further names; the first is how others call it. */
  readonly names: readonly string[];
}

export function toApiUrls({ address, port, names }: ApiUrlOptions): ApiUrls {
  const near = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  const localTls = `https://${withPort(near, port)}`;
  const local = isLoopbackAddress(address) ? `http://${withPort(near, port)}` : localTls;
  const far = names[0] ?? (near === address ? address : (findAddress(address) ?? near));
  return { local, localTls, server: `https://${withPort(far, port)}` };
}

function withPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An address of this host that others may reach. */
function findAddress(listening: string): string | null {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const isFar = (one: (typeof all)[number]): boolean => !one.internal && (one.scopeid ?? 0) === 0;
  const found = all.find((one) => isFar(one) && one.family === (listening === "::" ? "IPv6" : "IPv4"));
  return (found ?? all.find((one) => isFar(one)))?.address ?? null;
}

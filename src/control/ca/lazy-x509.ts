import type * as x509 from "@peculiar/x509";

/**
 * The X.509 library, loaded when the first certificate is made: it is the slowest module of the control plane to load.
 */
export async function loadX509(): Promise<typeof x509> {
  // The library's dependency injection needs this in place when it is evaluated.
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

import { Mesh } from "../integration/mesh.ts";

/** A control plane as `weft up` starts it, with the kubeconfig that it writes; no service runs. */
export function startMesh(): Promise<Mesh> {
  return Mesh.start({ yaml: "mesh: kubectl\nservices: {}\n" });
}

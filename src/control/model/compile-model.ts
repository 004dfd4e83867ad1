import { parseDurationMs } from "../../lib/duration.ts";
import type { Mesh } from "../../resources/mesh.ts";
import type { Resource } from "../../resources/resource.ts";
import { compileAccess } from "./compile-access.ts";
import { compileIngress } from "./compile-ingress.ts";
import { compileServices } from "./compile-services.ts";
import { ConditionLog } from "./condition-log.ts";
import type { MeshModel, MeshSettings } from "./mesh-model.ts";
import { indexResources } from "./resource-index.ts";
import { shareStructure } from "./share-structure.ts";

/** As the Mesh resource's schema has it, for a mesh without that resource. */
const DEFAULT_SETTINGS: MeshSettings = { access: "strict", egress: "allow", certificateLifetimeMs: 24 * 3_600_000 };

/**
 * Resolves all resources into one model. Pure: the same resources in any order give an equal model. What means the same
 * as in `previous` is the same object, up to the whole model. Never fails: what is wrong with a resource is in
 * `conditions`, and it counts only as far as it is right.
 */
export function compileModel(resources: readonly Resource[], previous: MeshModel | null): MeshModel {
  const index = indexResources(resources);
  const conditions = new ConditionLog();
  const { services, workloads } = compileServices(index, conditions);
  const access = compileAccess(index, conditions);
  const model: MeshModel = {
    settings: compileSettings(index.mesh),
    services,
    access,
    workloads,
    ingress: compileIngress(index, conditions),
    conditions: conditions.list(),
  };
  return shareStructure(previous, model);
}

/** `mesh` null: there is no such resource. */
export function compileSettings(mesh: Mesh | null): MeshSettings {
  if (mesh === null) return DEFAULT_SETTINGS;
  const { access, egress, certificateLifetime } = mesh.spec;
  return {
    access,
    egress,
    certificateLifetimeMs: parseDurationMs(certificateLifetime) ?? DEFAULT_SETTINGS.certificateLifetimeMs,
  };
}

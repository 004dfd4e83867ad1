import type { Resource } from "../../resources/resource.ts";
import { compareText } from "./compare-text.ts";
import type { Condition } from "./mesh-model.ts";

/** Gathers what is found wrong while a model is compiled; the same finding twice counts once. */
export class ConditionLog {
  readonly #found: Map<string, Condition> = new Map();

  add(resource: Resource, type: Condition["type"], finding: Finding): void {
    const { kind, metadata } = resource;
    const { reason, message } = finding;
    const key = [kind, metadata.namespace, metadata.name, type, reason, message].join("\0");
    this.#found.set(key, { kind, namespace: metadata.namespace, name: metadata.name, type, reason, message });
  }

  list(): Condition[] {
    const keys = [...this.#found.keys()].sort(compareText);
    return keys.flatMap((key) => this.#found.get(key) ?? []);
  }
}

export interface Finding {
  /** One CamelCase word. */
  readonly reason: string;
  readonly message: string;
}

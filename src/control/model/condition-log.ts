import type { Resource } from "../../resources/resource.ts";
import { compareText } from "./compare-text.ts";
import type { Condition } from "./mesh-model.ts";

/** Gathers what is found wrong while a model is compiled; the same finding twice counts once. */
export class ConditionLog {
  readonly #found: Map<string, Condition> = new Map();

  add(resource: Resource, type: Condition["type"], finding: Finding): void {
    const { kind, metadata } = resource;
    const { reason, message } = finding;
    this.addAll([{ kind, namespace: metadata.namespace, name: metadata.name, type, reason, message }]);
  }

  /** What another log gathered. */
  addAll(conditions: readonly Condition[]): void {
    for (const condition of conditions) {
      const { kind, namespace, name, type, reason, message } = condition;
      this.#found.set([kind, namespace, name, type, reason, message].join("\0"), condition);
    }
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

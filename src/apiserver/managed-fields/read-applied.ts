import { fieldNode, findMergeTree, itemNode, type MergeNode } from "../../resources/merge-keys.ts";
import { formatApiVersion } from "../../resources/registry.ts";
import { describeShape, fromEntries, isObject, type JsonObject, measure, readField } from "../patch/json-value.ts";
import { StatusError } from "../status.ts";
import type { ApplyOptions } from "./apply-configuration.ts";
import { formatPath } from "./fields-v1.ts";
import { isKeyedList, stepOf } from "./list-steps.ts";
import { readManagedFields } from "./record-update.ts";

/** `applied` without nulls, known to be an object that can be applied. Throws what `applyConfiguration` says of it. */
export function readApplied(applied: unknown, { manager, kind }: ApplyOptions): JsonObject {
  if (manager === "") {
    throw new StatusError("Invalid", "Cannot apply: found no fieldManager; expected one, e.g. ?fieldManager=me", {
      causes: [{ reason: "FieldValueRequired", message: "found nothing; expected a name", field: "fieldManager" }],
    });
  }
  if (!isObject(applied)) {
    throw new StatusError("BadRequest", `Cannot apply: found ${describeShape(applied)}; expected an object`);
  }
  measure(applied, "the applied object");
  const apiVersion = formatApiVersion(kind.group, kind.version);
  const found = [readField(applied, "apiVersion"), readField(applied, "kind")];
  if (found[0] !== apiVersion || found[1] !== kind.kind) {
    const text = found.map((value) => (typeof value === "string" ? value : describeShape(value))).join(" ");
    throw new StatusError("BadRequest", `Cannot apply: found ${text}; expected ${apiVersion} ${kind.kind}`);
  }
  const wanted = withoutNulls(applied) as JsonObject;
  if (readManagedFields(wanted) !== undefined) {
    throw new StatusError("BadRequest", "Cannot apply: found metadata.managedFields; expected none in what is applied");
  }
  refuseRepeats(wanted, findMergeTree(kind), []);
  return wanted;
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const fields = Object.entries(value).filter(([, child]) => child !== null);
  return fromEntries(fields.map(([field, child]) => [field, withoutNulls(child)]));
}

/** Nobody can own one of two entries with the same keys. */
function refuseRepeats(value: unknown, node: MergeNode, path: readonly string[]): void {
  if (isObject(value)) {
    for (const [field, child] of Object.entries(value)) {
      refuseRepeats(child, fieldNode(node, field), [...path, `f:${field}`]);
    }
    return;
  }
  if (!Array.isArray(value) || !isKeyedList(node.rule)) return;
  const seen = new Set<string>();
  for (const [index, entry] of value.entries()) {
    const step = stepOf(entry, node.rule);
    const problem = step === null ? "an entry without its keys" : seen.has(step) ? "the same entry twice" : null;
    if (problem !== null) {
      const at = formatPath(path);
      const rule =
        node.rule.listType === "set" ? "each value once" : `${(node.rule.listMapKeys ?? []).join(" and ")}, each once`;
      throw new StatusError("Invalid", `Cannot apply: at ${at}[${index}], found ${problem}; expected ${rule}`, {
        causes: [
          {
            reason: "FieldValueInvalid",
            message: `found ${problem}; expected ${rule}`,
            field: `${at.slice(1)}[${index}]`,
          },
        ],
      });
    }
    if (step === null) continue;
    seen.add(step);
    refuseRepeats(entry, itemNode(node), [...path, step]);
  }
}

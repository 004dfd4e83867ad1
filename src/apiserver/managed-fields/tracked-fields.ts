import { addPath, createFieldSet, type FieldSet, filterTopLevel } from "./field-set.ts";

/** Nobody owns what names an object, nor what the server writes. */
const UNOWNED = [
  ["f:apiVersion"],
  ["f:kind"],
  ["f:metadata"],
  ["f:metadata", "f:name"],
  ["f:metadata", "f:namespace"],
  ["f:metadata", "f:creationTimestamp"],
  ["f:metadata", "f:selfLink"],
  ["f:metadata", "f:uid"],
  ["f:metadata", "f:clusterName"],
  ["f:metadata", "f:generation"],
  ["f:metadata", "f:managedFields"],
  ["f:metadata", "f:resourceVersion"],
];

export const UNOWNED_FIELDS: FieldSet = toSet(UNOWNED);

/** What a write to `subresource` can change at all: `status` through its own path only, everything else through the object's. */
export function filterWritable(set: FieldSet, subresource: string): FieldSet {
  return filterTopLevel(set, (step) => (step === "f:status") === (subresource === "status"));
}

function toSet(paths: readonly (readonly string[])[]): FieldSet {
  const set = createFieldSet();
  for (const path of paths) addPath(set, path);
  return set;
}

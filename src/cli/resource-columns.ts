import { listColumns } from "../apiserver/table/kind-columns.ts";
import type { KnownResource } from "../resources/known-resource.ts";
import type { Resource } from "../resources/resource.ts";
import type { Clock } from "../time/clock.ts";
import type { Column } from "./output/table.ts";

const NARROW = 16;
const NARROW_NAME = 24;

/** What `get` shows of each kind: the columns that the API's tables have, and the namespace where there are several. */
export function chooseColumns(
  kind: KnownResource["kind"],
  options: { readonly clock: Clock; readonly hasNamespace: boolean },
): readonly Column<Resource>[] {
  const namespace: Column<Resource> = { title: "namespace", value: (item) => item.metadata.namespace };
  const wallMs = options.clock.wallMs();
  const columns = listColumns(kind)
    .filter((column) => column.isWide !== true)
    .map(({ name, value }): Column<Resource> => {
      const title = name.toLowerCase();
      const column = { title, value: (item: Resource) => String(value(item, wallMs)) };
      if (title === "age") return column;
      return { ...column, shrinkTo: title === "name" ? NARROW_NAME : NARROW };
    });
  return options.hasNamespace ? [namespace, ...columns] : columns;
}

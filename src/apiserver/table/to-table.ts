import type { KindDefinition } from "../../resources/registry.ts";
import type { Resource } from "../../resources/resource.ts";
import { readInVersion } from "../served-version.ts";
import { StatusError } from "../status.ts";
import { toWire } from "../wire-resource.ts";
import { type KindColumn, listColumns } from "./kind-columns.ts";
import { type ListMetadata, toPartial } from "./partial-metadata.ts";

/** What a row carries of its resource, besides the cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface TableOptions {
  readonly metadata: ListMetadata;
  readonly includeObject: IncludeObject;
  /** Of meta.k8s.io: "v1" or "v1beta1". */
  readonly version: string;
  /** Now, for ages. */
  readonly wallMs: number;
  /** Default true. False in a watch, after its first event. */
  readonly hasColumns?: boolean;
}

/** meta.k8s.io Table: how kubectl prints resources that it knows nothing about. */
export function toTable(definition: KindDefinition, items: readonly Resource[], options: TableOptions): object {
  const columns = listColumns(definition.kind);
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: options.metadata,
    columnDefinitions: options.hasColumns === false ? [] : columns.map(toColumnDefinition),
    rows: items.map((item) => ({
      cells: columns.map((column) => column.value(item, options.wallMs)),
      ...toRowObject(definition, item, options),
    })),
  };
}

/** The query parameter `includeObject`; default "Metadata". Throws StatusError BadRequest. */
export function readIncludeObject(query: URLSearchParams): IncludeObject {
  const text = query.get("includeObject");
  if (text === null || text === "") return "Metadata";
  if (text === "None" || text === "Metadata" || text === "Object") return text;
  throw new StatusError(
    "BadRequest",
    `Cannot read includeObject: found ${JSON.stringify(text)}; expected None, Metadata or Object`,
  );
}

function toColumnDefinition(column: KindColumn): object {
  return {
    name: column.name,
    type: column.type,
    format: column.format ?? "",
    description: column.description,
    priority: column.isWide === true ? 1 : 0,
  };
}

function toRowObject(definition: KindDefinition, item: Resource, { includeObject, version }: TableOptions): object {
  if (includeObject === "None") return {};
  return { object: includeObject === "Object" ? toWire(readInVersion(definition, item)) : toPartial(item, version) };
}

import type { KindDefinition } from "../resources/registry.ts";
import { formatApiVersion } from "../resources/registry.ts";
import type { Resource } from "../resources/resource.ts";
import { chooseMedia, type MediaTransform, RESOURCE_MEDIA, WATCH_MEDIA } from "./negotiation.ts";
import { readAllInVersion, readInVersion } from "./served-version.ts";
import { type ListMetadata, toPartial, toPartialList } from "./table/partial-metadata.ts";
import { readIncludeObject, type TableOptions, toTable } from "./table/to-table.ts";
import { toWire } from "./wire-resource.ts";

export interface PresenterOptions {
  /** The Accept header. */
  readonly accept: string | undefined;
  /** `includeObject` of a Table. */
  readonly query: URLSearchParams;
  readonly definition: KindDefinition;
  /** Now: ages in a Table. */
  readonly wallMs: () => number;
  /** What is answered: a stream of a watch can be JSON only. */
  readonly answer: "one" | "list" | "watch";
}

/**
 * Turns stored resources into what the client asked for: whole, as rows of a Table, or their metadata only. Throws
 * StatusError NotAcceptable for a whole object that the version asked for cannot say. What a Table and metadata say is the
 * same in every version.
 */
export interface Presenter {
  one(resource: Resource): unknown;
  list(items: readonly Resource[], metadata: ListMetadata): unknown;
  /** The object of an ADDED, MODIFIED or DELETED event. Of a Table only the first one of a watch names the columns. */
  event(resource: Resource): unknown;
  /** The object of a BOOKMARK: nothing but metadata. */
  bookmark(metadata: BookmarkMetadata): unknown;
}

export interface BookmarkMetadata {
  readonly resourceVersion: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Chooses by the Accept header; call it before anything is written. Throws StatusError NotAcceptable, and BadRequest for
 * an `includeObject` that is none. Whether the answer is JSON or YAML in the end is for the server to choose.
 */
export function createPresenter(options: PresenterOptions): Presenter {
  const { as } = chooseMedia(options.accept, options.answer === "watch" ? WATCH_MEDIA : RESOURCE_MEDIA);
  if (as === null) return createWholePresenter(options.definition);
  return as.kind === "Table" ? createTablePresenter(options, as) : createPartialPresenter(as);
}

function createWholePresenter(definition: KindDefinition): Presenter {
  const apiVersion = formatApiVersion(definition.group, definition.version);
  const toObject = (stored: Resource): unknown => toWire(readInVersion(definition, stored));
  return {
    one: toObject,
    list: (items, metadata) => ({
      kind: `${definition.kind}List`,
      apiVersion,
      metadata,
      items: readAllInVersion(definition, items).map(toWire),
    }),
    event: toObject,
    bookmark: (metadata) => ({ kind: definition.kind, apiVersion, metadata }),
  };
}

function createTablePresenter({ definition, query, wallMs }: PresenterOptions, as: MediaTransform): Presenter {
  const includeObject = readIncludeObject(query);
  const table: Pick<TableOptions, "includeObject" | "version"> = { includeObject, version: as.version };
  let hasColumns = true;
  return {
    one: (resource) => toTable(definition, [resource], { ...table, metadata: versionOf(resource), wallMs: wallMs() }),
    list: (items, metadata) => toTable(definition, items, { ...table, metadata, wallMs: wallMs() }),
    event(resource) {
      const options = { ...table, metadata: versionOf(resource), wallMs: wallMs(), hasColumns };
      hasColumns = false;
      return toTable(definition, [resource], options);
    },
    bookmark: (metadata) => toTable(definition, [], { ...table, metadata, wallMs: wallMs(), hasColumns: false }),
  };
}

function createPartialPresenter(as: MediaTransform): Presenter {
  return {
    one: (resource) => toPartial(resource, as.version),
    list: (items, metadata) => toPartialList(items, metadata, as.version),
    event: (resource) => toPartial(resource, as.version),
    bookmark: (metadata) => ({
      kind: "PartialObjectMetadata",
      apiVersion: `meta.k8s.io/${as.version}`,
      metadata,
    }),
  };
}

function versionOf(resource: Resource): ListMetadata {
  return { resourceVersion: resource.metadata.resourceVersion ?? "" };
}

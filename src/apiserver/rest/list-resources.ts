import type { Resource } from "../../resources/resource.ts";
import type { GroupKind } from "../../store/store.ts";
import { type ApiAnswer, type ApiCall, json } from "../api-route.ts";
import { parseListFilter } from "../list-filter.ts";
import { createPresenter } from "../present.ts";
import type { ResourceTarget } from "../resource-target.ts";
import { StatusError } from "../status.ts";
import type { ListMetadata } from "../table/partial-metadata.ts";
import { startWatch } from "../watch-stream.ts";
import { assertNotAhead, readVersionWish, type VersionWish } from "./list-version.ts";
import type { HeldList } from "./list-pages.ts";
import { readTarget } from "./read-target.ts";
import type { RestContext } from "./rest-context.ts";

/** `GET` of a collection: a list, whole or in pages, or a watch. */
export async function listOrWatch(context: RestContext, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const filter = parseListFilter(call.query, target.definition);
  if (isWatch(call)) return startWatch({ ...context, target, filter, query: call.query, accept: call.headers.accept });
  const presenter = createPresenter({
    accept: call.headers.accept,
    query: call.query,
    definition: target.definition,
    wallMs: () => context.clock.wallMs(),
    answer: "list",
  });
  const limit = readLimit(call.query);
  const { list, start, token } = await findList(context, call, target);
  const end = limit === 0 ? list.items.length : Math.min(start + limit, list.items.length);
  const rest = list.items.length - end;
  const metadata: ListMetadata = {
    resourceVersion: list.resourceVersion,
    ...(rest === 0
      ? {}
      : { continue: token === null ? context.pages.hold(list, end) : context.pages.next(token, end) }),
    // With a selector Kubernetes does not know, and says nothing; so clients do not expect it.
    ...(rest === 0 || !filter.isEmpty ? {} : { remainingItemCount: rest }),
  };
  return json(presenter.list(list.items.slice(start, end), metadata));
}

interface Found {
  readonly list: HeldList;
  /** The first item that was not sent yet. */
  readonly start: number;
  /** Null: the list is not held. */
  readonly token: string | null;
}

async function findList(context: RestContext, call: ApiCall, target: ResourceTarget): Promise<Found> {
  const question = formatQuestion(call);
  const token = call.query.get("continue") ?? "";
  const wish = readVersionWish(call.query);
  if (token !== "") {
    if (wish !== null && wish.version !== "0") {
      throw new StatusError("BadRequest", "Cannot list: found resourceVersion with continue; expected one of them");
    }
    return { ...context.pages.resume(token, question), token };
  }
  const items = await readItems(context, target);
  const exact = wish?.match === "Exact" ? findExact(context, { wish, question, newest: items.resourceVersion }) : null;
  if (exact !== null) return { list: exact, start: 0, token: null };
  if (wish !== null) assertNotAhead(wish.version, items.resourceVersion);
  const filter = parseListFilter(call.query, target.definition);
  const accepted = filter.isEmpty ? items.items : items.items.filter((item) => filter.accepts(item));
  return { list: { items: accepted, resourceVersion: items.resourceVersion, question }, start: 0, token: null };
}

interface ExactQuestion {
  readonly wish: VersionWish;
  readonly question: string;
  readonly newest: string;
}

/** Null: the newest list is it. */
function findExact(context: RestContext, { wish, question, newest }: ExactQuestion): HeldList | null {
  if (wish.version === newest) return null;
  assertNotAhead(wish.version, newest);
  const held = context.pages.findExact(question, wish.version);
  if (held !== null) return held;
  throw new StatusError(
    "Expired",
    `Cannot list as of resourceVersion ${wish.version}: it is no longer kept; expected ${newest}, or no resourceVersionMatch`,
  );
}

async function readItems(
  { store }: RestContext,
  { definition, namespace }: ResourceTarget,
): Promise<{ readonly items: readonly Resource[]; readonly resourceVersion: string }> {
  const kind: GroupKind = { group: definition.group, kind: definition.kind };
  return store.list(kind, namespace === "" ? undefined : namespace);
}

/** 0: everything. */
function readLimit(query: URLSearchParams): number {
  const text = query.get("limit") ?? "";
  if (text === "") return 0;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new StatusError("BadRequest", `Cannot list: found limit ${JSON.stringify(text)}; expected a whole number`);
}

function isWatch({ query }: ApiCall): boolean {
  const value = query.get("watch");
  return value === "1" || value === "true";
}

function formatQuestion({ path, query }: ApiCall): string {
  return JSON.stringify([path, query.get("labelSelector") ?? "", query.get("fieldSelector") ?? ""]);
}

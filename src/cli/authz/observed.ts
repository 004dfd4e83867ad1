import { addRows } from "../../control/telemetry/would-deny-log.ts";
import type { WouldDenyRow } from "../../control/views.ts";
import { formatAge } from "../../lib/format-age.ts";
import type { Resource } from "../../resources/resource.ts";
import { validateResource } from "../../resources/validate.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import type { CliContext } from "../context.ts";
import { type OutputFormat, writeLines, writeValue } from "../output/format.ts";
import { paint } from "../output/style.ts";
import { formatTable } from "../output/table.ts";
import { type AccessWorld, type Call, nameOf, type Place } from "./access-world.ts";
import { openWorld } from "./can.ts";
import { formatDocuments } from "./decision-text.ts";
import { IDENTIFIER_SEGMENT, proposeTargets, split, type Wish } from "./propose-targets.ts";

interface ObservedOptions {
  /** In milliseconds. */
  readonly since: number;
  readonly namespace?: string;
}

export interface AuditOptions extends ObservedOptions {
  readonly output: OutputFormat;
}

export interface SuggestOptions extends ObservedOptions {
  readonly output: "yaml" | "json";
}

/** What was seen and strict access would deny by the rules of now. */
interface Observed {
  readonly world: AccessWorld;
  readonly access: "strict" | "permissive";
  readonly rows: readonly WouldDenyRow[];
  /** How long the control plane has been there to see anything. */
  readonly watchedMs: number;
}

export async function audit(context: CliContext, options: AuditOptions): Promise<void> {
  const observed = await observe(context, options);
  if (options.output !== "table") {
    const { access, rows } = observed;
    await writeValue(context.stdout, options.output, { access, items: rows });
    return;
  }
  const { rows } = observed;
  const window = formatAge(options.since);
  if (rows.length === 0) {
    context.stderr.write(
      `${paint(context.stderr, "dim", `Nothing that strict access would deny was seen in the last ${window}`)}\n`,
    );
  } else {
    writeLines(context.stdout, formatRows(context, rows));
  }
  writeNotes(context, listLimits(observed, options));
}

export async function suggest(context: CliContext, options: SuggestOptions): Promise<void> {
  const observed = await observe(context, options);
  const { world, rows } = observed;
  const known = rows.filter((row) => row.source !== "");
  const proposed = proposeTargets(
    known.map((row) => toWish(world, row)),
    new Set(world.resources.map(nameOf)),
  );
  const notes = [
    ...listLimits(observed, options),
    ...listUnknowns(world, rows),
    ...listLeftOver(world, known, proposed),
  ];
  if (options.output === "json") {
    await writeValue(context.stdout, "json", { items: proposed, notes });
    return;
  }
  const head =
    proposed.length === 0
      ? "Nothing to allow: strict access would deny nothing that was seen"
      : `What was seen and no rule allows yet (kinds of call: ${known.length})`;
  context.stdout.write([`${head}, to ${formatNow(context)}.`, ...notes].map((note) => `# ${note}\n`).join(""));
  context.stdout.write(formatDocuments(proposed));
}

async function observe(context: CliContext, { since, namespace }: ObservedOptions): Promise<Observed> {
  const client = await context.openApi();
  try {
    const [world, all, mesh] = await Promise.all([openWorld(client), client.wouldDeny(since), client.mesh()]);
    const rows = mergePorts(world, all)
      .filter((row) => namespace === undefined || split(row.destination).namespace === namespace)
      .filter((row) => !isAllowed(world, row));
    return { world, access: world.model.settings.access, rows, watchedMs: context.clock.wallMs() - mesh.startedWallMs };
  } finally {
    client.close();
  }
}

/** Instances listen on ports of their own: where the same Service ports lead there, a call is the same. */
function mergePorts(world: AccessWorld, rows: readonly WouldDenyRow[]): readonly WouldDenyRow[] {
  const merged = new Map<string, WouldDenyRow>();
  for (const row of rows) {
    const { source, destination, protocol, method, path, port } = row;
    const key = JSON.stringify([source, destination, protocol, method, path, findPlace(world, row)?.services ?? port]);
    const known = merged.get(key);
    merged.set(key, known === undefined ? row : addRows(known, row));
  }
  return [...merged.values()];
}

/** By the rules of now; they may have changed since the call. */
function isAllowed(world: AccessWorld, row: WouldDenyRow): boolean {
  const place = findPlace(world, row);
  if (place === null || row.source === "") return false;
  const verdict = world.judge(place, split(row.source), toCall(row));
  if (verdict === null || typeof verdict === "string") return false;
  return row.method === "?" ? verdict.allowsAll : verdict.allowed;
}

/** An instance may listen elsewhere since: then where the account has but one port, that is it. */
function findPlace(world: AccessWorld, { destination, port }: WouldDenyRow): Place | null {
  const { namespace, name } = split(destination);
  const found = world.findPlace(namespace, name, port);
  if (found !== null) return found;
  const places = world.listPlaces(namespace, name);
  return places.length === 1 ? (places[0] ?? null) : null;
}

function toCall({ method, path }: WouldDenyRow): Call {
  if (method === "") return "bytes";
  if (method === "?") return "any";
  // Identifiers were taken out where it was seen; any one stands for all.
  return { method, path: path.replaceAll(IDENTIFIER_SEGMENT, "1"), authority: "", headers: [] };
}

function toWish(world: AccessWorld, row: WouldDenyRow): Wish {
  const { source, destination, method, path } = row;
  if (method === "?") return { source, destination, call: { kind: "any request" } };
  if (method !== "") return { source, destination, call: { kind: "request", method, path } };
  const ports = findPlace(world, row)?.services.map((service) => service.port) ?? null;
  return { source, destination, call: { kind: "connection", ports } };
}

/** What holds for everything that was observed. */
function listLimits({ access, watchedMs }: Observed, { since }: ObservedOptions): readonly string[] {
  const notes: string[] = [];
  if (access === "strict") {
    notes.push(
      "Access is strict: calls are denied now, and only what was seen before, under permissive access, is here.",
    );
  }
  if (watchedMs < since) {
    notes.push(`The control plane has watched for ${formatAge(watchedMs)} only, of the ${formatAge(since)} asked for.`);
  }
  return notes;
}

/** What a suggestion rests on without knowing it. */
function listUnknowns(world: AccessWorld, rows: readonly WouldDenyRow[]): readonly string[] {
  if (rows.length === 0) return [];
  const notes = ["What is called seldom may not have been seen; headers were not looked at, so no rule asks for any."];
  const general = rows.filter((row) => row.path.includes(IDENTIFIER_SEGMENT)).length;
  if (general > 0)
    notes.push(
      `Segments of paths that look like identifiers were taken for any one segment (kinds of call: ${general}).`,
    );
  for (const row of rows) {
    if (row.source === "")
      notes.push(
        `Calls of ${row.destination} came from callers without an identity (${row.count}): no rule can allow those.`,
      );
    else if (row.method === "?")
      notes.push(`${row.source} sent ${row.destination} too many kinds of request to keep: all requests are allowed.`);
    else if (row.method === "") notes.push(describeConnections(row, findPlace(world, row)));
  }
  return [...new Set(notes)];
}

function describeConnections(row: WouldDenyRow, place: Place | null): string {
  const pair = `${row.source} opened connections to ${row.destination}`;
  if (place === null) return `${pair} at a port that no instance has now: every port is allowed.`;
  return place.protocol === "tcp" || place.protocol === "udp"
    ? `${pair}: what they carried is not known, only the port.`
    : `${pair} that carried no HTTP: allowing them allows every request at that port too.`;
}

/** Asked of the same rules with the suggestion applied. */
function listLeftOver(
  world: AccessWorld,
  rows: readonly WouldDenyRow[],
  proposed: readonly Resource[],
): readonly string[] {
  const valid = proposed.flatMap((resource) => validateResource(resource, { file: "suggestion" }).resource ?? []);
  const after = world.with(valid);
  const left = rows.filter((row) => findPlace(after, row) !== null && !isAllowed(after, row));
  return left.map(
    (row) => `Not allowed by this, and to be written by hand: ${row.source} to ${row.destination}, ${formatCall(row)}.`,
  );
}

function formatRows(context: CliContext, rows: readonly WouldDenyRow[]): readonly string[] {
  return formatTable(
    context.stdout,
    [
      { title: "source", value: (row) => (row.source === "" ? "?" : row.source), shrinkTo: 12 },
      { title: "destination", value: (row) => row.destination, shrinkTo: 12 },
      { title: "call", value: formatCall, shrinkTo: 16 },
      { title: "count", align: "right", value: (row) => String(row.count) },
      { title: "last seen", align: "right", value: (row) => `${formatAge(row.lastSeenAgoMs)} ago` },
    ],
    rows.toSorted((a, b) => b.count - a.count),
  );
}

function formatCall({ method, path, protocol }: WouldDenyRow): string {
  if (method === "") return "(connection)";
  return method === "?" ? "(other requests)" : `${protocol === "grpc" ? "gRPC " : ""}${method} ${path}`;
}

function formatNow(context: CliContext): string {
  return formatWallTime(context.clock.wallMs()).replace(/\.\d+Z$/, "Z");
}

function writeNotes(context: CliContext, notes: readonly string[]): void {
  for (const note of notes) context.stderr.write(`${paint(context.stderr, "dim", note)}\n`);
}

import { StatusError } from "./status.ts";

/** Content negotiation: RFC 9110 section 12.5.1, and the parameters that Kubernetes clients put into Accept. */

/** One form in which an answer can be had. */
export interface Media {
  /** `application/json`. */
  readonly type: string;
  /** Kubernetes' own: the object as another kind, e.g. `as=Table;g=meta.k8s.io;v=v1`. Null: as it is. */
  readonly as: MediaTransform | null;
}

export interface MediaTransform {
  readonly kind: string;
  readonly group: string;
  readonly version: string;
}

/** What every answer that is an object can be had as. */
export const OBJECT_MEDIA: readonly Media[] = [
  { type: "application/json", as: null },
  { type: "application/yaml", as: null },
];

/** What a resource, or a list of them, can be had as. */
export const RESOURCE_MEDIA: readonly Media[] = [
  ...OBJECT_MEDIA,
  ...transforms("application/json"),
  ...transforms("application/yaml"),
];

/** A watch is a stream of JSON. */
export const WATCH_MEDIA: readonly Media[] = [
  { type: "application/json", as: null },
  ...transforms("application/json"),
];

interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

/** Longer ones are cut: nothing weft offers is asked for so far behind. */
const MAX_RANGES = 64;

/**
 * The best of `offers` for this Accept header: the highest quality, then what the client named first, then what weft
 * offers first. No header, or an empty one, takes anything. Throws StatusError NotAcceptable with the list of offers.
 */
export function chooseMedia(accept: string | undefined, offers: readonly Media[]): Media {
  const ranges = accept === undefined || accept.trim() === "" ? [ANYTHING] : parseAccept(accept);
  let best: { readonly offer: Media; readonly quality: number; readonly rank: number } | null = null;
  for (const offer of offers) {
    const found = findRange(ranges, offer);
    if (found === null || found.quality === 0) continue;
    const isBetter =
      best === null || found.quality > best.quality || (found.quality === best.quality && found.rank < best.rank);
    if (isBetter) best = { offer, quality: found.quality, rank: found.rank };
  }
  if (best !== null) return best.offer;
  throw new StatusError(
    "NotAcceptable",
    `Cannot answer in the form asked for: found Accept "${accept ?? ""}"; expected ${formatOffers(offers)}`,
  );
}

/** `application/json;as=Table;g=meta.k8s.io;v=v1`. */
export function formatMedia({ type, as }: Media): string {
  return as === null ? type : `${type};as=${as.kind};g=${as.group};v=${as.version}`;
}

/** Of Accept-Encoding: whether gzip may be used, and is not worse than no coding. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  if (acceptEncoding === undefined) return false;
  const qualities = new Map(parseAccept(acceptEncoding).map((range) => [range.type, range.quality]));
  const gzip = qualities.get("gzip") ?? qualities.get("x-gzip") ?? qualities.get("*") ?? 0;
  return gzip > 0 && gzip >= (qualities.get("identity") ?? 0);
}

const ANYTHING: MediaRange = { type: "*/*", parameters: new Map(), quality: 1 };

function transforms(type: string): readonly Media[] {
  return ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"].flatMap((kind) =>
    ["v1", "v1beta1"].map((version) => ({ type, as: { kind, group: "meta.k8s.io", version } })),
  );
}

/** The most specific range that covers the offer decides about it. */
function findRange(
  ranges: readonly MediaRange[],
  offer: Media,
): { readonly quality: number; readonly rank: number } | null {
  let found: { readonly quality: number; readonly rank: number; readonly precision: number } | null = null;
  for (const [rank, range] of ranges.entries()) {
    const precision = matchPrecision(range, offer);
    if (precision === 0) continue;
    if (found === null || precision > found.precision) found = { quality: range.quality, rank, precision };
  }
  return found;
}

/** 0: the range does not cover the offer. Parameters other than as, g and v do not matter to weft. */
function matchPrecision({ type, parameters }: MediaRange, offer: Media): number {
  if (!matchesTransform(parameters, offer.as)) return 0;
  if (type === offer.type) return 3;
  if (type === `${offer.type.split("/", 1)[0] ?? ""}/*`) return 2;
  return type === "*/*" ? 1 : 0;
}

function matchesTransform(parameters: ReadonlyMap<string, string>, as: MediaTransform | null): boolean {
  const kind = parameters.get("as");
  if (kind === undefined || as === null) return kind === undefined && as === null;
  return kind === as.kind && parameters.get("g") === as.group && parameters.get("v") === as.version;
}

function parseAccept(text: string): readonly MediaRange[] {
  return splitQuoted(text, ",")
    .slice(0, MAX_RANGES)
    .map((part) => parseRange(part))
    .filter((range) => range.type !== "");
}

function parseRange(text: string): MediaRange {
  const [type = "", ...rest] = splitQuoted(text, ";");
  const parameters = new Map<string, string>();
  let quality = 1;
  for (const part of rest) {
    const equals = part.indexOf("=");
    if (equals === -1) continue;
    const name = part.slice(0, equals).trim().toLowerCase();
    const value = unquote(part.slice(equals + 1).trim());
    if (name === "q") quality = readQuality(value);
    else parameters.set(name, value);
  }
  return { type: type.trim().toLowerCase(), parameters, quality };
}

/** A quality that is none counts as 0: what cannot be read is not asked for. */
function readQuality(text: string): number {
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}

function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/g, "$1");
}

/** Separators inside quotes do not count. */
function splitQuoted(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i];
    if (letter === "\\" && isQuoted) i += 1;
    else if (letter === '"') isQuoted = !isQuoted;
    else if (letter === separator && !isQuoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function formatOffers(offers: readonly Media[]): string {
  return offers.map(formatMedia).join(", ");
}

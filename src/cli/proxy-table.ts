import type { ProxyStatus } from "../control/views.ts";
import { formatAge } from "../lib/format-age.ts";
import { paint, type Style } from "./output/style.ts";
import { type Column, formatTable } from "./output/table.ts";
import type { Terminal } from "./output/terminal.ts";
import { escapeControl } from "./output/text-width.ts";

export function formatProxyTable(
  terminal: Terminal,
  proxies: readonly ProxyStatus[],
  wallMs: number,
): readonly string[] {
  const columns: readonly Column<ProxyStatus>[] = [
    { title: "proxy", value: (proxy) => proxy.id, shrinkTo: 20 },
    { title: "role", value: (proxy) => proxy.role },
    { title: "state", value: (proxy) => proxy.state, style: (proxy) => styleState(proxy.state) },
    {
      title: "connected",
      value: (proxy) => `${proxy.connected ? "yes" : "no"}, ${formatAge(wallMs - proxy.sinceWallMs)}`,
      style: (proxy) => (proxy.connected ? null : "red"),
    },
    {
      title: "resources",
      align: "right",
      value: (proxy) => String(proxy.types.reduce((sum, type) => sum + type.resources, 0)),
    },
    { title: "certificate", value: (proxy) => formatCertificate(proxy, wallMs) },
    { title: "runtime", value: (proxy) => proxy.runtime, shrinkTo: 8 },
    { title: "version", value: (proxy) => proxy.weftVersion },
  ];
  return formatTable(terminal, columns, proxies);
}

/** One line for each type of configuration that a proxy refused, with its own words. */
export function formatRejections(terminal: Terminal, proxies: readonly ProxyStatus[]): readonly string[] {
  const lines: string[] = [];
  for (const proxy of proxies) {
    for (const { type, state, reason } of proxy.types) {
      if (state !== "REJECTED") continue;
      lines.push(
        `${paint(terminal, "red", "rejected:")} ${proxy.id}: ${type}: ${escapeControl(reason ?? "no reason given")}`,
      );
    }
  }
  return lines.length === 0 ? lines : ["", ...lines];
}

interface ConfigRow {
  readonly type: string;
  readonly name: string;
  readonly summary: string;
}

/** Names by type; the content is for JSON and YAML. */
export function formatConfigTable(terminal: Terminal, config: unknown): readonly string[] {
  const rows: ConfigRow[] = [];
  for (const [type, resources] of Object.entries(config as Readonly<Record<string, unknown>>)) {
    for (const [name, content] of Object.entries((resources ?? {}) as Readonly<Record<string, unknown>>)) {
      rows.push({ type, name, summary: summarize(content) });
    }
  }
  if (rows.length === 0) return [paint(terminal, "dim", "No resources of this type")];
  const table = formatTable(
    terminal,
    [
      { title: "type", value: (row) => row.type },
      { title: "name", value: (row) => row.name },
      { title: "content", value: (row) => row.summary, shrinkTo: 16 },
    ],
    rows,
  );
  return [...table, paint(terminal, "dim", "All of the content: -o yaml or -o json")];
}

const MAX_SUMMARY = 100;
/** They stand in the other columns, or follow from them. */
const SAID: readonly string[] = ["@type", "name", "clusterName"];

/** JSON on one line, of the xDS resource itself (which may stand beside its version). */
function summarize(resource: unknown): string {
  if (typeof resource !== "object" || resource === null) return JSON.stringify(resource) ?? "";
  const { content = resource } = resource as { readonly content?: unknown };
  const fields = Object.entries(content ?? {}).filter(([name]) => !SAID.includes(name));
  const text = JSON.stringify(Object.fromEntries(fields));
  return text.length > MAX_SUMMARY ? `${text.slice(0, MAX_SUMMARY)}…` : text;
}

function formatCertificate(proxy: ProxyStatus, wallMs: number): string {
  const endsWallMs = proxy.certificateNotAfterWallMs ?? null;
  if (endsWallMs === null) return "-";
  return endsWallMs <= wallMs ? "expired" : formatAge(endsWallMs - wallMs);
}

function styleState(state: ProxyStatus["state"]): Style {
  if (state === "SYNCED") return "green";
  return state === "STALE" ? "yellow" : "red";
}

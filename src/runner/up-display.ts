import type { StatRow } from "../control/views.ts";
import { type LiveBlock, openLiveBlock } from "../cli/output/live-block.ts";
import { formatLatency, formatRate, formatSuccess } from "../cli/output/quantity.ts";
import { paint, type Style } from "../cli/output/style.ts";
import { type Column, formatTable } from "../cli/output/table.ts";
import type { Terminal } from "../cli/output/terminal.ts";
import type { Instance } from "./instance.ts";
import { formatVersionService } from "./weft-yaml.ts";

export interface UpDisplayOptions {
  readonly terminal: Terminal;
  /** Longest workload name, for the column in front of app output. */
  readonly prefixWidth: number;
  /** App output is left out. */
  readonly isQuiet: boolean;
}

/** One line of the live table. */
interface ServiceRow {
  readonly service: string;
  readonly version: string;
  readonly ready: number;
  readonly total: number;
  readonly states: string;
  readonly stat: StatRow | null;
}

/** Colours of app names, in turn; red and green would look like verdicts. */
const PREFIX_STYLES: readonly Style[] = ["cyan", "yellow", "bold"];

/** What `weft up` prints: lines that stay, and on a terminal a table below them that is redrawn. */
export class UpDisplay {
  readonly #options: UpDisplayOptions;
  readonly #block: LiveBlock;
  readonly #styles = new Map<string, Style>();

  constructor(options: UpDisplayOptions) {
    this.#options = options;
    this.#block = openLiveBlock(options.terminal);
  }

  line(text: string): void {
    this.#block.print(text);
  }

  notice(text: string): void {
    this.#block.print(`${paint(this.#options.terminal, "dim", "weft:")} ${text}`);
  }

  problem(text: string): void {
    this.#block.print(`${paint(this.#options.terminal, "yellow", "weft:")} ${text}`);
  }

  appLine(workload: string, line: string): void {
    if (this.#options.isQuiet) return;
    let style = this.#styles.get(workload);
    if (style === undefined) {
      style = PREFIX_STYLES[this.#styles.size % PREFIX_STYLES.length] ?? "cyan";
      this.#styles.set(workload, style);
    }
    const prefix = paint(this.#options.terminal, style, workload.padEnd(this.#options.prefixWidth));
    this.#block.print(`${prefix} ${paint(this.#options.terminal, "dim", "|")} ${line}`);
  }

  table(instances: readonly Instance[], stat: readonly StatRow[], isControlPlaneUp: boolean): void {
    const { terminal } = this.#options;
    if (!terminal.isTty) return;
    const lines = formatTable(terminal, COLUMNS, toRows(instances, stat));
    const hint = isControlPlaneUp
      ? "last 10 s · Ctrl-C stops the mesh"
      : "the control plane is away: requests go on with the configuration they have";
    this.#block.update(["", ...lines, paint(terminal, isControlPlaneUp ? "dim" : "yellow", hint)]);
  }

  close(): void {
    this.#block.update([]);
    this.#block.close();
  }
}

const COLUMNS: readonly Column<ServiceRow>[] = [
  { title: "service", value: (row) => row.service, shrinkTo: 10 },
  { title: "version", value: (row) => (row.version === "" ? "-" : row.version), shrinkTo: 6 },
  {
    title: "instances",
    value: (row) => `${row.ready}/${row.total} ready${row.states}`,
    style: styleInstances,
    shrinkTo: 9,
  },
  { title: "rps", align: "right", value: (row) => (row.stat === null ? "-" : formatRate(row.stat.rate)) },
  {
    title: "success",
    align: "right",
    value: (row) => (row.stat === null ? "-" : formatSuccess(row.stat.successRatio)),
    style: styleSuccess,
  },
  { title: "p99", align: "right", value: (row) => formatLatency(row.stat?.p99Ms ?? null) },
];

function styleInstances(row: ServiceRow): Style | null {
  if (row.ready === row.total) return null;
  return row.ready === 0 ? "red" : "yellow";
}

function styleSuccess(row: ServiceRow): Style | null {
  return row.stat === null || row.stat.successRatio >= 0.999 ? null : row.stat.successRatio < 0.95 ? "red" : "yellow";
}

function toRows(instances: readonly Instance[], stat: readonly StatRow[]): readonly ServiceRow[] {
  const groups = new Map<string, Instance[]>();
  for (const instance of instances) {
    const key = `${instance.service}/${instance.version}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [instance]);
    else group.push(instance);
  }
  return [...groups.values()].map((group): ServiceRow => {
    const [first] = group as [Instance];
    const waiting = [...new Set(group.filter((instance) => !instance.isReady()).map((instance) => instance.state()))];
    return {
      service: first.service,
      version: first.version,
      ready: group.filter((instance) => instance.isReady()).length,
      total: group.length,
      states: waiting.length === 0 ? "" : `, ${waiting.join(", ")}`,
      stat: mergeStat(stat.filter((row) => isAbout(row, first))),
    };
  });
}

/** As callers saw it, whether they named the service (and a split or chance chose the version) or the version itself. */
function isAbout(row: StatRow, { service, version }: Instance): boolean {
  if (row.direction !== "outbound" || row.version !== version) return false;
  return (
    row.destination === `default/${service}` ||
    (version !== "" && row.destination === `default/${formatVersionService(service, version)}`)
  );
}

/** All callers of one version together. The worst caller's p99 stands for all: quantiles cannot be added up. */
function mergeStat(rows: readonly StatRow[]): StatRow | null {
  const [first] = rows;
  if (first === undefined) return null;
  const requests = rows.reduce((sum, row) => sum + row.requests, 0);
  const failures = rows.reduce((sum, row) => sum + row.failures, 0);
  const worst = rows.reduce((max, row) => Math.max(max, row.p99Ms ?? 0), 0);
  return {
    ...first,
    requests,
    failures,
    rate: rows.reduce((sum, row) => sum + row.rate, 0),
    successRatio: requests === 0 ? 1 : 1 - failures / requests,
    p99Ms: requests === 0 ? null : worst,
  };
}

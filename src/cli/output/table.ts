import { type Style, paint } from "./style.ts";
import type { Terminal } from "./terminal.ts";
import { escapeControl, measureText, truncateText } from "./text-width.ts";

export interface Column<Row> {
  /** Shown in upper case. */
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Default "left"; numbers read better on the right. */
  readonly align?: "left" | "right";
  readonly style?: (row: Row) => Style | null;
  /** May be cut with `…` on a terminal that is too narrow, down to this width; default: never. */
  readonly shrinkTo?: number;
}

const GAP = "   ";

/**
 * The table as lines without newlines. On a TTY it fits the width: columns with `shrinkTo` give way, the widest first,
 * and if that is not enough lines are cut. In a pipe nothing is ever cut.
 */
export function formatTable<Row>(
  terminal: Terminal,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): readonly string[] {
  const cells = rows.map((row) => columns.map((column) => escapeControl(column.value(row))));
  const widths = columns.map((column, i) =>
    Math.max(measureText(column.title), ...cells.map((line) => measureText(line[i] ?? ""))),
  );
  const limit = terminal.isTty ? terminal.size().columns : Number.POSITIVE_INFINITY;
  shrink(columns, widths, limit);
  const header = columns.map((column, i) => pad(column, column.title.toUpperCase(), widths[i] ?? 0));
  const lines = [paint(terminal, "bold", header.join(GAP).trimEnd())];
  rows.forEach((row, r) => {
    const line = columns.map((column, i) => {
      const text = pad(column, cells[r]?.[i] ?? "", widths[i] ?? 0);
      return paint(terminal, column.style?.(row) ?? null, text);
    });
    lines.push(line.join(GAP).trimEnd());
  });
  return limit === Number.POSITIVE_INFINITY ? lines : lines.map((line) => truncateText(line, limit));
}

function shrink<Row>(columns: readonly Column<Row>[], widths: number[], limit: number): void {
  const total = (): number => widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  while (total() > limit) {
    let widest = -1;
    columns.forEach((column, i) => {
      if (column.shrinkTo === undefined || (widths[i] ?? 0) <= column.shrinkTo) return;
      if (widest === -1 || (widths[i] ?? 0) > (widths[widest] ?? 0)) widest = i;
    });
    if (widest === -1) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function pad<Row>(column: Column<Row>, text: string, width: number): string {
  const cut = truncateText(text, width);
  const space = " ".repeat(Math.max(0, width - measureText(cut)));
  return column.align === "right" ? space + cut : cut + space;
}

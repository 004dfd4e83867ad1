import type { Terminal } from "./terminal.ts";
import { truncateText } from "./text-width.ts";

/** Lines at the bottom of the terminal that are redrawn in place, below lines that stay. */
export interface LiveBlock {
  /** Prints lines that stay, above the block. In a pipe: prints them. */
  print(text: string): void;
  /** Replaces the block, cut to the terminal's size. In a pipe: does nothing, so callers print what matters. */
  update(lines: readonly string[]): void;
  /** Leaves the last block on the screen and shows the cursor again. Later calls do nothing. */
  close(): void;
}

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const CLEAR_LINE_END = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** One write per redraw and no clearing first, so nothing flickers. */
export function openLiveBlock(terminal: Terminal): LiveBlock {
  if (!terminal.isTty) {
    return { print: (text) => terminal.write(`${text}\n`), update: () => {}, close: () => {} };
  }
  let drawn = 0;
  let block: readonly string[] = [];
  let isClosed = false;
  terminal.write(HIDE_CURSOR);

  function draw(above: readonly string[]): void {
    const { columns, rows } = terminal.size();
    // One row stays free: a newline in the last row would scroll, and moving up would then miss the first line.
    const visible = block.length > rows - 1 ? block.slice(0, Math.max(1, rows - 1)) : block;
    let output = drawn === 0 ? "\r" : `\u001b[${drawn}A\r`;
    for (const line of above) output += `${line}${CLEAR_LINE_END}\n`;
    for (const line of visible) output += `${truncateText(line, columns)}${CLEAR_LINE_END}\n`;
    terminal.write(output + CLEAR_BELOW);
    drawn = visible.length;
  }

  return {
    print(text) {
      if (isClosed) terminal.write(`${text}\n`);
      else draw(text.split("\n"));
    },
    update(lines) {
      if (isClosed) return;
      block = lines;
      draw([]);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      terminal.write(SHOW_CURSOR);
    },
  };
}

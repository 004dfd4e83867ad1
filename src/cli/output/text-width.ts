/** How wide text is on a terminal, and text cut to a width. Understands colour codes, wide and combining characters. */

const ESCAPE = "\u001b";
// Colour codes are the only escapes this program writes (see style.ts).
const COLOR_CODE = new RegExp(`${ESCAPE}\\[[0-9;]*m`, "y");
/** Also what turns the direction of the text around it, and the two separators that terminals take for line ends. */
const CONTROL = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;
const WITHOUT_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

/** Columns the text takes on a terminal; colour codes take none. */
export function measureText(text: string): number {
  let width = 0;
  for (let i = 0; i < text.length;) {
    const code = matchColorCode(text, i);
    if (code !== "") {
      i += code.length;
      continue;
    }
    const character = String.fromCodePoint(text.codePointAt(i) ?? 0);
    width += measureCharacter(character);
    i += character.length;
  }
  return width;
}

/** At most `width` columns; what does not fit is replaced by `…`. Colour codes stay, so a colour is always ended. */
export function truncateText(text: string, width: number): string {
  return measureText(text) <= width ? text : cut(text, width);
}

/** Data from elsewhere, safe to show: control and direction-changing characters become `\xNN` or `\u{NNNN}`. */
export function escapeControl(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
    return `\\u{${code.toString(16)}}`;
  });
}

function cut(text: string, width: number): string {
  let kept = "";
  let used = 0;
  let isFull = width < 1;
  for (let i = 0; i < text.length;) {
    const code = matchColorCode(text, i);
    if (code !== "") {
      kept += code;
      i += code.length;
      continue;
    }
    const character = String.fromCodePoint(text.codePointAt(i) ?? 0);
    i += character.length;
    if (isFull) continue;
    const next = measureCharacter(character);
    if (used + next > width - 1) {
      kept += "…";
      isFull = true;
      continue;
    }
    kept += character;
    used += next;
  }
  return kept;
}

function matchColorCode(text: string, at: number): string {
  if (text.charCodeAt(at) !== 0x1b) return "";
  COLOR_CODE.lastIndex = at;
  return COLOR_CODE.exec(text)?.[0] ?? "";
}

function measureCharacter(character: string): number {
  if (character < "\u0300") return 1;
  if (WITHOUT_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

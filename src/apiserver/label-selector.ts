/** Kubernetes label selectors: `app=web,tier!=db,env in (dev, test),!legacy`. */
export type LabelSelector = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = "[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?";
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const EQUALITY = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*([A-Za-z0-9._-]*)$`);
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);

/** Throws SyntaxError with what was found and expected. The empty text selects everything. */
export function parseLabelSelector(text: string): LabelSelector {
  const requirements = splitRequirements(text).map(parseRequirement);
  return (labels) => requirements.every((isMet) => isMet(labels));
}

/** At commas that are not inside parentheses. */
function splitRequirements(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i += 1) {
    const character = text[i];
    if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    else if (character === undefined || (character === "," && depth === 0)) {
      const part = text.slice(start, i).trim();
      if (part !== "") parts.push(part);
      else if (character !== undefined) throw malformed(text);
      start = i + 1;
    }
  }
  return parts;
}

function parseRequirement(text: string): LabelSelector {
  const exists = EXISTS.exec(text);
  if (exists !== null) {
    const [, not, key = ""] = exists;
    return (labels) => Object.hasOwn(labels, key) === (not === "");
  }
  const equality = EQUALITY.exec(text);
  if (equality !== null) {
    const [, key = "", operator, value] = equality;
    return (labels) => (Object.hasOwn(labels, key) && labels[key] === value) === (operator !== "!=");
  }
  const set = SET.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    return (labels) => (Object.hasOwn(labels, key) && values.has(labels[key] ?? "")) === (operator === "in");
  }
  throw malformed(text);
}

function malformed(text: string): SyntaxError {
  return new SyntaxError(
    `found ${JSON.stringify(text)}; expected requirements like app=web, tier!=db, env in (dev,test) or !legacy, with commas between them`,
  );
}

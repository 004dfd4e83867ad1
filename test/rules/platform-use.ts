import { blankTexts, lineAt } from "./code-text.ts";
import { isTestCode, type RepositoryFile } from "./repository.ts";

interface RestrictedUse {
  readonly pattern: RegExp;
  /** Files that may; everything else below src/, test/ and bench/ may not. */
  readonly allowed: RegExp;
  /** Tests may too. */
  readonly inTests: boolean;
  readonly instead: string;
}

const RESTRICTED: readonly RestrictedUse[] = [
  {
    pattern: /(?<![.\w#])(setTimeout|setInterval|setImmediate)\s*\(/g,
    allowed: /^src\/time\//,
    inTests: false,
    instead: "a Clock (src/time/clock.ts), or nextTurn",
  },
  {
    pattern: /(?<![.\w])(new\s+Date\b|Date\s*[.(]|performance\s*\.|process\s*\.\s*hrtime)/g,
    allowed: /^(src\/time|bench)\//,
    inTests: false,
    instead: "a Clock, and src/time/wall-time.ts for conversions",
  },
  {
    pattern: /\b(Math\s*\.\s*random|randomBytes|randomUUID|randomInt|getRandomValues)\b/g,
    // Besides: tokens, and names of files and locks, that nobody may guess and no test repeats.
    allowed: /^src\/(random\/|lib\/private-files\.ts|control\/state-lock\.ts|runner\/control-plane\.ts)/,
    inTests: true,
    instead: "a Random (src/random/random.ts)",
  },
  {
    pattern: /\bprocess\s*(\.\s*env\b|\[\s*["'])/g,
    // The preload runs inside the user's app, which has no other way to tell it anything.
    allowed: /^(src\/bin\/|src\/runner\/environment\.ts|src\/capture\/preload\.cts|bench\/)/,
    inTests: true,
    instead: "src/runner/environment.ts",
  },
  {
    pattern: /(?<![.\w#])console\s*\./g,
    allowed: /^(src\/bin|src\/cli\/output|bench|test\/soak)\//,
    inTests: false,
    instead: "src/cli/output",
  },
];

/** Uses of the clock, timers, randomness, the environment and the console outside their folders, one line each. */
export function checkPlatformUse(files: readonly RepositoryFile[]): string[] {
  const problems: string[] = [];
  for (const file of files) {
    if (!/^(src|test|bench)\/.*\.c?ts$/.test(file.path)) continue;
    const code = blankTexts(file.text);
    for (const use of RESTRICTED) {
      if (use.allowed.test(file.path) || (use.inTests && isTestCode(file.path))) continue;
      for (const match of code.matchAll(use.pattern)) {
        const place = `${file.path}:${lineAt(code, match.index)}`;
        problems.push(`${place}: ${match[0].trim()}; expected ${use.instead}`);
      }
    }
  }
  return problems;
}

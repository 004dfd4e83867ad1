/** What a session file says: commands, and what must come of each. docs/kubectl.md describes the format. */
export interface Session {
  readonly file: string;
  readonly steps: readonly Step[];
}

export interface Step {
  /** Of the `$`, from 1. */
  readonly line: number;
  /** For a shell. */
  readonly command: string;
  /** Standard input; null: none. */
  readonly input: string | null;
  /** Null: it runs everywhere. */
  readonly only: Condition | null;
  /** The one without a condition comes first; of the others the first that applies counts. */
  readonly outcomes: readonly Outcome[];
}

export interface Outcome {
  readonly when: Condition | null;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly exit: number;
}

/** Where a step or an outcome counts, and why not everywhere. */
export interface Condition {
  readonly server: Server | null;
  readonly versions: readonly VersionLimit[];
  readonly reason: string;
}

/** "kube" is a real kube-apiserver. */
export type Server = "weft" | "kube";

/** Of kubectl: 1.`minor`. */
export interface VersionLimit {
  readonly operator: "<" | ">=";
  readonly minor: number;
}

export interface Place {
  readonly server: Server;
  /** Of kubectl. */
  readonly minor: number;
}

export function applies(condition: Condition | null, place: Place): boolean {
  if (condition === null) return true;
  const { server, versions } = condition;
  if (server !== null && server !== place.server) return false;
  return versions.every(({ operator, minor }) => (operator === "<" ? place.minor < minor : place.minor >= minor));
}

/** What must come of a step at this place. */
export function chooseOutcome(step: Step, place: Place): Outcome {
  const [usual, ...others] = step.outcomes;
  const chosen = others.find((outcome) => applies(outcome.when, place)) ?? usual;
  if (chosen === undefined) throw new Error(`Line ${step.line}: no outcome`);
  return chosen;
}

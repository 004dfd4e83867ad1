/** Words that only the shell itself knows; `exec` cannot run them. */
const SHELL_WORDS: ReadonlySet<string> = new Set(
  ". : [ alias bg break case cd command continue eval exec exit export fg for function getopts hash if jobs local read readonly return set shift source test time times trap type ulimit umask unalias unset until wait while".split(
    " ",
  ),
);
/** Anything with a meaning to the shell, except quotes, `$` and globs, which `exec` leaves as they are. */
const SHELL_SYNTAX = /[;&|<>()`\n#!{}\\]/;

/**
 * The line as it is given to `sh -c`. A line that runs one program replaces the shell by it: one process less for every
 * instance, and signals and exit codes are the program's own.
 */
export function toShellLine(line: string): string {
  const trimmed = line.trim();
  const [first = ""] = trimmed.split(/\s/, 1);
  if (SHELL_SYNTAX.test(trimmed) || first.includes("=") || SHELL_WORDS.has(first)) return trimmed;
  return `exec ${trimmed}`;
}

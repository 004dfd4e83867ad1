import type { CommandWords, OptionWords } from "./completion-words.ts";

/** The script of one shell. */
export function formatCompletion(shell: "bash" | "zsh" | "fish", commands: readonly CommandWords[]): string {
  if (shell === "fish") return formatFish(commands);
  return shell === "bash" ? formatBash(commands) : formatZsh(commands);
}

/**
 * Finds the command by its words (options and their values skipped), then offers what may follow. zsh runs the same
 * code through its own bashcompinit.
 */
function formatBash(commands: readonly CommandWords[]): string {
  const paths = commands.map((command) => command.path).filter((path) => path !== "");
  return `# weft completion for bash
_weft() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" word candidate i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ "$word" == "--" ]] && return
    candidate="\${path:+$path }$word"
    case "$candidate" in
      ${paths.map(quote).join("|")}) path="$candidate" ;;
    esac
  done
  local words="" options=""
  case "$path" in
${commands.map(formatBashCase).join("\n")}
  esac
  case "$path $previous" in
${commands
  .map(formatBashValues)
  .filter((text) => text !== "")
  .join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -F _weft weft
`;
}

function formatZsh(commands: readonly CommandWords[]): string {
  return `#compdef weft\nautoload -U +X bashcompinit && bashcompinit\n${formatBash(commands)}`;
}

function formatBashCase(command: CommandWords): string {
  const words = command.words.map((word) => word.text).join(" ");
  return `    ${quote(command.path)}) words=${quote(words)} options=${quote(listOptions(command.options).join(" "))} ;;`;
}

function formatBashValues(command: CommandWords): string {
  const lines = command.options
    .filter((option) => option.takesValue)
    .map((option) => {
      const patterns = listOptions([option])
        .map((name) => quote(`${command.path} ${name}`))
        .join("|");
      const action = option.values.length === 0 ? "-f" : `-W ${quote(option.values.join(" "))}`;
      return `    ${patterns}) COMPREPLY=($(compgen ${action} -- "$current")); return ;;`;
    });
  return lines.join("\n");
}

function formatFish(commands: readonly CommandWords[]): string {
  const lines = ["# weft completion for fish", "complete -c weft -f"];
  for (const command of commands) {
    const condition = formatFishCondition(command, commands);
    for (const word of command.words)
      lines.push(`complete -c weft -n ${condition} -a ${quote(word.text)} -d ${quote(word.summary)}`);
    for (const option of command.options) lines.push(`complete -c weft -n ${condition}${formatFishOption(option)}`);
  }
  return `${lines.join("\n")}\n`;
}

function formatFishCondition(command: CommandWords, commands: readonly CommandWords[]): string {
  const parts = command.path.split(" ").filter((part) => part !== "");
  const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`);
  const depth = parts.length;
  const below = commands
    .filter(
      (other) => other.path !== command.path && other.path.startsWith(command.path === "" ? "" : `${command.path} `),
    )
    .map((other) => other.path.split(" ")[depth])
    .filter((name) => name !== undefined);
  if (below.length > 0) seen.push(`not __fish_seen_subcommand_from ${[...new Set(below)].join(" ")}`);
  return quote(seen.length === 0 ? "true" : seen.join("; and "));
}

function formatFishOption(option: OptionWords): string {
  const short = option.short === "" ? "" : ` -s ${option.short.replace(/^-/, "")}`;
  const values = !option.takesValue
    ? ""
    : option.values.length === 0
      ? " -r -F"
      : ` -x -a ${quote(option.values.join(" "))}`;
  return `${short} -l ${option.long.replace(/^--/, "")}${values} -d ${quote(option.summary)}`;
}

function listOptions(options: readonly OptionWords[]): readonly string[] {
  return options.flatMap((option) => [option.short, option.long]).filter((name) => name !== "");
}

/** One shell word, whatever is in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

import { type Command, Argument } from "commander";
import type { CliContext } from "./context.ts";

const EXAMPLES = `
Examples:
  $ weft completion bash > ~/.local/share/bash-completion/completions/weft
  $ weft completion zsh > "\${fpath[1]}/_weft"
  $ weft completion fish > ~/.config/fish/completions/weft.fish
  $ source <(weft completion bash)          for this shell only
`;

export function registerCompletionCommand(program: Command, context: CliContext): void {
  program
    .command("completion")
    .summary("print a completion script for a shell")
    .description("Prints a script that makes a shell complete weft's commands, options and kinds.")
    .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
    .addHelpText("after", EXAMPLES)
    .action((shell: "bash" | "zsh" | "fish") => completion(context, shell));
}

async function completion(context: CliContext, shell: "bash" | "zsh" | "fish"): Promise<void> {
  const [{ createFullProgram }, { listCompletions }, { formatCompletion }] = await Promise.all([
    import("./program.ts"),
    import("./completion-words.ts"),
    import("./completion-script.ts"),
  ]);
  context.stdout.write(formatCompletion(shell, listCompletions(await createFullProgram(context))));
}

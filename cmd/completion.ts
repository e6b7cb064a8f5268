// kube-relay completion: a script that makes a shell complete the program's commands, options and their values.

import { Argument, Command } from 'commander'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

export function completionCommand(): Command {
  return new Command('completion')
    .description('write a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'the shell that it is for').choices(shells))
    .addHelpText('after', examples)
    .action(completion)
}

const examples = `
Examples:
  source <(kube-relay completion bash)
  kube-relay completion zsh > "\${fpath[1]}/_kube-relay"
  kube-relay completion fish > ~/.config/fish/completions/kube-relay.fish`

async function completion(shell: Shell, _: unknown, command: Command): Promise<void> {
  const [{ commandTree }, { completionScripts }] = await Promise.all([
    import('./command-tree.ts'),
    import('./completion-scripts.ts'),
  ])
  process.stdout.write(completionScripts[shell](commandTree(command.parent ?? command)))
}

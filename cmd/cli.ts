// The command line: one commander program with a file per command. What goes wrong ends here, as one line on
// standard error and an exit code: 0 done, 1 failed, 2 wrong usage or configuration.

import { Command } from 'commander'
import { reasonOf, RelayError } from '../lib/model/error.ts'
import { printable } from '../lib/ops/text-table.ts'
import { version } from '../lib/version.ts'
import { checkCommand } from './check.ts'
import { completionCommand } from './completion.ts'
import { devCommand } from './dev.ts'
import { explainCommand } from './explain.ts'
import { readyCommand } from './ready.ts'
import { reloadCommand } from './reload.ts'
import { runCommand } from './run.ts'
import { samplePodCommand } from './sample-pod.ts'
import { statusCommand } from './status.ts'

/** The program with all its commands; `argv`: the command line that it is for. */
export async function createProgram(argv: readonly string[]): Promise<Command> {
  const program = new Command('kube-relay')
    .description('A userspace kube-proxy: proxies TCP and UDP from Service addresses to ready endpoints.')
    .version(version, '-V, --version')
    .showHelpAfterError('(kube-relay --help shows what there is)')
    .configureHelp({ showGlobalOptions: false, sortSubcommands: false })
    .addHelpText('after', examples)
  program.addCommand(runCommand())
  program.addCommand(devCommand())
  program.addCommand(statusCommand())
  program.addCommand(explainCommand())
  program.addCommand(readyCommand())
  program.addCommand(reloadCommand())
  program.addCommand(checkCommand())
  program.addCommand(await benchCommand(argv))
  program.addCommand(completionCommand())
  return program.addCommand(samplePodCommand(), { hidden: true })
}

export async function main(argv: readonly string[]): Promise<void> {
  const program = await createProgram(argv)
  for (const command of [program, ...program.commands]) {
    command.exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
  }
  try {
    await program.parseAsync(argv.map(withDashes))
  } catch (error) {
    process.stderr.write(printable(`kube-relay: ${reasonOf(error)}\n`))
    if (!(error instanceof RelayError) && process.env['KUBE_RELAY_DEBUG'] && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`)
    }
    process.exit(error instanceof RelayError && error.code.startsWith('INVALID') ? 2 : 1)
  }
}

/** What only the benchmark needs is loaded for it alone: an agent's start has no time for that. */
async function benchCommand(argv: readonly string[]): Promise<Command> {
  const description = 'measure this proxy, and those you would otherwise run, side by side on this machine'
  if (!argv.includes('bench') && !argv.includes('completion'))
    return new Command('bench').description(description)
  return (await import('./bench.ts')).benchCommand().description(description)
}

/** As in Kubernetes' programs, --hostname_override is --hostname-override. */
function withDashes(argument: string): string {
  return argument.replace(/^--[a-z][\w-]*/, flag => flag.replaceAll('_', '-'))
}

const examples = `
Examples:
  kube-relay dev                                  a control plane, sample pods and a proxy on loopback
  kube-relay run --kubeconfig ~/.kube/config      proxy for a cluster
  kube-relay run --manifests ./services           proxy for Services in YAML files, without a cluster
  kube-relay status                               what the agent on this machine serves now
  kube-relay explain 10.96.0.10:80                what becomes of a connection to this address, and why
  kube-relay reload                               make it begin anew with the files now on disk
  kube-relay check --kubeconfig ~/.kube/config    can this node run it, and what is missing
  kube-relay bench all --html report.html         measure it beside other proxies, on this machine`

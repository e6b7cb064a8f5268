// kube-relay check: can this node run it, and what is missing. Exits with 1 if something fails.

import { Command, Option } from 'commander'
import { runChecks } from '../lib/check.ts'
import type { ClusterAccess } from '../lib/kube/cluster-access.ts'
import { loadClusterAccess } from '../lib/kube/load-cluster-access.ts'
import { reasonOf } from '../lib/model/error.ts'
import type { CheckResult } from '../lib/ops/check-result.ts'
import { accessLogFileOf } from './access-log-flags.ts'
import { addClusterFlags, nodeNameFrom, type ClusterFlags } from './flags.ts'
import { parseWorkers } from './life-cycle-flags.ts'
import { chosenStateDirectory, usualStateDirectory } from './state-directory.ts'
import { vipModeOption, type VipFlags } from './vip-flags.ts'

interface CheckFlags extends ClusterFlags, Pick<VipFlags, 'vipMode'> {
  readonly hostnameOverride?: string
  readonly api: boolean
  readonly workers: number
  readonly stateDir?: string
  readonly accessLog: string
}

export function checkCommand(): Command {
  const command = new Command('check').description('can this node run kube-relay, and what is missing')
  return addClusterFlags(command)
    .option('--hostname-override <name>', "this node's name (default: $NODE_NAME, else the host's name)")
    .option('--no-api', 'leave out the API server')
    .addOption(
      new Option('--workers <n>', 'as for run').argParser(parseWorkers).default(parseWorkers('auto'), 'auto'),
    )
    .addOption(vipModeOption())
    .option('--state-dir <dir>', `as for run (default: $STATE_DIRECTORY, else ${usualStateDirectory})`)
    .option('--access-log <file>', 'as for run', 'off')
    .addHelpText(
      'after',
      '\nExamples:\n  kube-relay check --kubeconfig ~/.kube/config\n  kube-relay check --no-api',
    )
    .action(check)
}

async function check(flags: CheckFlags): Promise<void> {
  const results = await runChecks({
    nodeName: nodeNameFrom(flags.hostnameOverride),
    access: flags.api ? await accessOrProblem(flags) : null,
    bindAddresses: [
      { ip: '127.0.0.1', port: 10_249 },
      { ip: '0.0.0.0', port: 10_256 },
    ],
    workers: flags.workers,
    vipMode: flags.vipMode,
    stateDir: chosenStateDirectory(flags.stateDir, process.env, usualStateDirectory),
    accessLog: accessLogFileOf(flags.accessLog),
  })
  const width = Math.max(...results.map(({ name }) => name.length))
  process.stdout.write(results.map(result => render(result, width)).join(''))
  const failed = results.filter(({ verdict }) => verdict === 'fail').length
  const warned = results.filter(({ verdict }) => verdict === 'warn').length
  process.stdout.write(`\n${results.length} checks: ${failed} failed, ${warned} warnings\n`)
  if (failed > 0) process.exitCode = 1
}

async function accessOrProblem(flags: ClusterFlags): Promise<ClusterAccess | { readonly problem: string }> {
  try {
    return await loadClusterAccess({ ...flags, env: process.env })
  } catch (error) {
    return { problem: `${reasonOf(error)} (--no-api leaves this out)` }
  }
}

function render({ name, verdict, found, remedy }: CheckResult, width: number): string {
  const line = `${verdict.padEnd(4)}  ${name.padEnd(width)}  ${found}\n`
  return remedy === undefined ? line : `${line}${' '.repeat(width + 8)}→ ${remedy}\n`
}

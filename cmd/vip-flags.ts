// The flags about making VIPs local, and what --vip-mode auto comes to on this node.

import { Option, type Command } from 'commander'
import type { Cidr } from '../lib/model/cidr.ts'
import { RelayError } from '../lib/model/error.ts'
import { vipModes, type VipMode } from '../lib/model/vip-mode.ts'
import { readNode } from '../lib/vip/node-readings.ts'
import { chooseVipMode, vipModeDrawbacks, vipModeProblem } from '../lib/vip/requirements.ts'
import { parseCidrs } from './flag-values.ts'

export interface VipFlags {
  readonly vipMode: VipMode | 'auto'
  readonly vipExclude?: readonly Cidr[]
}

export function vipModeOption(): Option {
  return new Option(
    '--vip-mode <mode>',
    'who makes the VIPs local: local = routes on this node, netns = a network namespace of kube-relay, ' +
      'none = somebody else; auto = netns where that is possible, else local, else none',
  )
    .choices(['auto', ...vipModes])
    .default('auto')
}

export function addVipFlags(command: Command): Command {
  return command
    .optionsGroup('Node:')
    .addOption(vipModeOption())
    .addOption(
      new Option(
        '--vip-exclude <cidrs>',
        'addresses that never become VIPs, whatever Services say: CIDRs or IPs, comma-separated',
      ).argParser(parseCidrs),
    )
}

export interface ResolvedVipMode {
  readonly mode: VipMode
  /** What to tell the reader of the log: why this one, and for whom it doesn't work. */
  readonly notes: readonly string[]
}

/**
 * The mode of this process. @throws RelayError INVALID_CONFIG where one that was asked for can't work here.
 */
export async function resolveVipMode(wanted: VipMode | 'auto'): Promise<ResolvedVipMode> {
  if (wanted === 'none') return { mode: wanted, notes: [] }
  const readings = await readNode()
  const { mode, reason } =
    wanted === 'auto' ? chooseVipMode(readings) : { mode: wanted, reason: 'as --vip-mode says' }
  const problem = vipModeProblem(mode, readings)
  if (problem !== null) {
    throw new RelayError('INVALID_CONFIG', `--vip-mode ${mode} can't work here: ${problem}`)
  }
  const notes = [reason, ...vipModeDrawbacks(mode, readings)]
  return { mode, notes: notes.map(note => `VIP mode ${mode}: ${note}`) }
}

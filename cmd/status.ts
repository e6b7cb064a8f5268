// kube-relay status: what an agent serves now, as a table or as the JSON document it came from.

import { Command, Option } from 'commander'
import { renderStatus } from '../lib/ops/status.ts'
import { defaultAgent, fetchStatus } from './fetch-status.ts'

interface StatusFlags {
  readonly agent: string
  readonly output: 'table' | 'json'
}

export function statusCommand(): Command {
  return new Command('status')
    .description('show what an agent serves now')
    .option('--agent <url>', "the agent's metrics address", defaultAgent)
    .addOption(
      new Option('-o, --output <format>', 'table or json').choices(['table', 'json']).default('table'),
    )
    .addHelpText('after', '\nExamples:\n  kube-relay status\n  kube-relay status -o json | jq .services')
    .action(async (flags: StatusFlags) => {
      const status = await fetchStatus(flags.agent)
      process.stdout.write(
        flags.output === 'json' ? `${JSON.stringify(status, null, 2)}\n` : renderStatus(status),
      )
    })
}

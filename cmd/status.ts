// kube-relay status: what an agent serves now, as a table or as the JSON document it came from.

import { Command, Option } from 'commander'
import { RelayError } from '../lib/model/error.ts'
import { renderStatus, type StatusDocument } from '../lib/ops/status.ts'

interface StatusFlags {
  readonly agent: string
  readonly output: 'table' | 'json'
}

export function statusCommand(): Command {
  return new Command('status')
    .description('show what an agent serves now')
    .option('--agent <url>', "the agent's metrics address", 'http://127.0.0.1:10249')
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

async function fetchStatus(agent: string): Promise<StatusDocument> {
  const base = /^https?:\/\//.test(agent) ? agent : `http://${agent}`
  if (!URL.canParse('/status', base)) {
    throw new RelayError('INVALID_CONFIG', `--agent ${agent} is not a URL such as http://127.0.0.1:10249`)
  }
  const url = new URL('/status', base)
  let response: Response
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  } catch (error) {
    throw new RelayError(
      'UNREACHABLE',
      `no agent answers at ${url.origin}: is kube-relay running here, with this --metrics-bind-address?`,
      { cause: error },
    )
  }
  if (!response.ok) {
    throw new RelayError('API', `${url.href} answered ${response.status}: is that a kube-relay agent?`)
  }
  try {
    return (await response.json()) as StatusDocument
  } catch (error) {
    throw new RelayError('API', `${url.href} did not answer with JSON: is that a kube-relay agent?`, {
      cause: error,
    })
  }
}

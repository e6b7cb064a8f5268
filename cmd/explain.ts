// kube-relay explain: what becomes of a connection to an address, by the agent's own account: which Service it is for,
// which endpoints are eligible for this client, and why the others aren't.

import { Command, Option } from 'commander'
import { renderExplanation, type Explanation } from '../lib/ops/explanation.ts'
import { printable, printableJson } from '../lib/ops/text-table.ts'
import { defaultAgent, fetchDocument } from './fetch-status.ts'

interface ExplainFlags {
  readonly agent: string
  readonly output: 'text' | 'json'
  readonly protocol: string
  readonly client?: string
}

export function explainCommand(): Command {
  return new Command('explain')
    .description(
      'what becomes of a connection to an address: its Service, its endpoints, and why not the others',
    )
    .argument('<address>', 'IP:PORT, or [IPV6]:PORT')
    .option('--protocol <protocol>', 'tcp or udp', 'tcp')
    .option('--client <ip>', 'where it comes from (default: neither this node nor a pod on it)')
    .option('--agent <url>', "the agent's metrics address", defaultAgent)
    .addOption(new Option('-o, --output <format>', 'text or json').choices(['text', 'json']).default('text'))
    .addHelpText('after', examples)
    .action(explain)
}

const examples = `
Nothing is sent to the address: the agent is asked what it would do.

Examples:
  kube-relay explain 10.96.0.10:80
  kube-relay explain 10.96.0.10:53 --protocol udp
  kube-relay explain 192.168.0.1:30008 --client 203.0.113.7       which list of endpoints does this client take?
  kube-relay explain '[fd00:10:96::a]:80' -o json | jq .endpoints`

async function explain(address: string, { agent, output, protocol, client }: ExplainFlags): Promise<void> {
  const query = { address, protocol, ...(client === undefined ? {} : { client }) }
  const explanation = (await fetchDocument(agent, '/explain', query)) as Explanation
  process.stdout.write(
    output === 'json' ? `${printableJson(explanation, 2)}\n` : printable(renderExplanation(explanation)),
  )
}

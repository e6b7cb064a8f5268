// Which local addresses have TCP connections, as `ss` of iproute2 tells it, in the node's own network or in a
// named namespace. Read strictly: what isn't understood must not pass for "not in use".

import { canonicalIp } from '../model/address.ts'
import { RelayError } from '../model/error.ts'
import { runProgram } from './run-program.ts'

const timeoutMs = 10_000

/** One that is in TIME_WAIT is over for its client. */
const args = ['-Htn', 'state', 'connected', 'exclude', 'time-wait']

/** State, queues, local address and port, peer's address and port. */
const line = /^[A-Z][A-Z0-9-]*\s+\d+\s+\d+\s+(\S+):\d+\s+\S+:\d+\s*$/

/** `namespace`: a name as `ip netns` has it. @throws VIP: then it isn't known. */
export async function addressesInUse(namespace: string | null = null): Promise<ReadonlySet<string>> {
  const all = namespace === null ? args : ['-N', namespace, ...args]
  const { stdout, stderr, status } = await runProgram('ss', all, { timeoutMs }, 'install iproute2')
  const command = `ss ${all.join(' ')}`
  if (status !== 0) throw new RelayError('VIP', `\`${command}\`: ${stderr.trim() || `status ${status}`}`)
  const inUse = new Set<string>()
  for (const text of stdout.split('\n')) {
    if (text === '') continue
    const local = line.exec(text)?.[1]
    const ip = local === undefined ? undefined : localIp(local)
    if (ip === undefined) throw new RelayError('VIP', `\`${command}\`: can't read the line "${text.trim()}"`)
    if (ip !== null) inUse.add(ip)
  }
  return inUse
}

/** null: an address of one link only, which no VIP is. undefined: none at all. */
function localIp(text: string): string | null | undefined {
  const bare = text.startsWith('[') ? text.slice(1, text.indexOf(']')) : text.replace(/%[^%]*$/, '')
  if (text.includes('%') && bare.startsWith('fe80:')) return null
  return canonicalIp(bare.replace(/^::ffff:(?=\d+\.)/, '')) ?? undefined
}

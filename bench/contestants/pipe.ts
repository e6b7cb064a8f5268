// The ten lines that everyone would write: two sockets and two pipes, in a Node.js process for each thread.

import type { Contestant, Setup } from '../contestant.ts'
import { formatAddress } from '../../lib/model/address.ts'
import { ownCommand } from '../own-command.ts'
import { agentOnly } from './agent-only.ts'
import { commandLine } from './command-line.ts'
import { launch } from './launch.ts'

export const pipe: Contestant = {
  name: 'pipe',
  describe: 'client.pipe(upstream) and back, in ten lines of Node.js',
  excused: { 'udp-rr': 'a stream is piped, datagrams are not', ...agentOnly },
  find: () => Promise.resolve({ version: `Node.js ${process.versions.node}` }),
  config: setup => [commandLine(...commandsOf(setup))],
  start: setup => launch({ name: 'pipe', setup, files: [], commands: () => commandsOf(setup) }),
}

function commandsOf({ routes, threads }: Setup): readonly (readonly string[])[] {
  const pairs = routes
    .filter(({ protocol }) => protocol === 'TCP')
    .flatMap(({ listen, server }) => [listen, server].map(({ ip, port }) => formatAddress(ip, port)))
  return Array.from({ length: threads }, () => ownCommand('bench-part', 'pipe', ...pairs))
}

// No proxy at all: clients connect to the server, which shows what the load generator, the server and the machine can
// do at most.

import type { Contestant } from '../contestant.ts'
import { agentOnly } from './agent-only.ts'

export const direct: Contestant = {
  name: 'direct',
  describe: 'no proxy: the limit of load generator, server and machine',
  excused: { ...agentOnly, idle: 'there is no proxy whose memory could be measured' },
  find: () => Promise.resolve({ version: 'none' }),
  config: () => [],
  start: ({ routes }) =>
    Promise.resolve({
      listens: routes.map(({ server }) => server),
      pids: () => [],
      tail: () => '',
      ended: new Promise<never>(() => {}),
      stop: () => Promise.resolve(),
    }),
}

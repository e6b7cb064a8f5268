// Which scenarios there are, by the names that the command line takes.

import { closest } from '../../lib/model/closest.ts'
import { RelayError } from '../../lib/model/error.ts'
import type { LoadTools } from '../load/tools.ts'
import type { Scenario } from '../scenario.ts'
import { handover } from './handover.ts'
import { idle } from './idle.ts'
import { start } from './start.ts'
import { sync } from './sync.ts'
import { tcpCrr } from './tcp-crr.ts'
import { tcpRr } from './tcp-rr.ts'
import { tcpStream } from './tcp-stream.ts'
import { udpRr } from './udp-rr.ts'

interface Entry {
  /** For help. */
  readonly describe: string
  readonly make: (tools: LoadTools) => Scenario
}

const entries: Readonly<Record<string, Entry>> = {
  'tcp-rr': {
    describe: 'requests and responses on open connections: throughput, and latency at half of it',
    make: tcpRr,
  },
  'tcp-crr': { describe: 'connect, request, response, close', make: tcpCrr },
  'tcp-stream': { describe: 'bulk, in both directions', make: tcpStream },
  'udp-rr': { describe: 'requests and responses as datagrams, over many flows', make: udpRr },
  idle: { describe: 'memory for each open connection', make: idle },
  sync: {
    describe: 'from an API change to the first connection that obeys it, with 100 to 10,000 Services',
    make: () => sync(),
  },
  start: {
    describe: 'from the start to the first proxied byte, cold and from a snapshot',
    make: () => start(),
  },
  handover: { describe: 'what fails, and how latency grows, during reloads', make: handover },
}

/** For help: a line for each. */
export function describeScenarios(): readonly string[] {
  const width = Math.max(...scenarioNames.map(name => name.length))
  return Object.entries(entries).map(([name, { describe }]) => `${name.padEnd(width)}  ${describe}`)
}

/** In the order in which they are run and shown. */
export const scenarioNames: readonly string[] = Object.keys(entries)

/**
 * The scenarios of these names, each once, in the usual order; "all" is every one.
 *
 * @throws INVALID_CONFIG that says what there is.
 */
export function checkScenarioNames(names: readonly string[]): readonly string[] {
  const unknown = names.find(name => name !== 'all' && !scenarioNames.includes(name))
  if (unknown !== undefined) {
    const guess = closest(unknown, [...scenarioNames, 'all'])
    throw new RelayError(
      'INVALID_CONFIG',
      `there is no scenario "${unknown}"${guess === undefined ? '' : `, did you mean ${guess}?`} ` +
        `Expected ${scenarioNames.join(', ')}, or all`,
    )
  }
  return names.includes('all') ? scenarioNames : scenarioNames.filter(name => names.includes(name))
}

export function makeScenarios(names: readonly string[], tools: LoadTools): readonly Scenario[] {
  return names.flatMap(name => entries[name]?.make(tools) ?? [])
}

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

/** How long is measured, and what comes before that. */
export interface Timing {
  readonly durationMs: number
  readonly warmUpMs: number
}

interface Entry {
  /** For help. */
  readonly describe: string
  /** About what one contestant's turn takes on an idle machine, without its start and end. */
  readonly turnMs: (timing: Timing) => number
  readonly make: (tools: LoadTools) => Scenario
}

const entries: Readonly<Record<string, Entry>> = {
  'tcp-rr': {
    describe: 'requests and responses on open connections: throughput, and latency at half of it',
    turnMs: ({ durationMs, warmUpMs }) => 2 * durationMs + 1.5 * warmUpMs,
    make: tcpRr,
  },
  'tcp-crr': { describe: 'connect, request, response, close', turnMs: oneWindow, make: tcpCrr },
  'tcp-stream': { describe: 'bulk, in both directions', turnMs: oneWindow, make: tcpStream },
  'udp-rr': {
    describe: 'requests and responses as datagrams, over many flows',
    turnMs: oneWindow,
    make: udpRr,
  },
  idle: {
    describe: 'memory for each open connection',
    turnMs: ({ warmUpMs }) => Math.min(700, warmUpMs) + 2500,
    make: idle,
  },
  sync: {
    describe: 'from an API change to the first connection that obeys it, with 100 to 10,000 Services',
    // Three sizes: lists, changes to warm up, at least ten that count, and calm before and after them.
    turnMs: ({ durationMs, warmUpMs }) => 3 * (warmUpMs + Math.max(10, durationMs / 50) * 130) + 14_000,
    make: () => sync(),
  },
  start: {
    describe: 'from the start to the first proxied byte, cold and from a snapshot',
    turnMs: () => 4000,
    make: () => start(),
  },
  handover: {
    describe: 'what fails, and how latency grows, during reloads',
    turnMs: timing => oneWindow(timing) + 4000,
    make: handover,
  },
}

function oneWindow({ durationMs, warmUpMs }: Timing): number {
  return durationMs + warmUpMs
}

/** A contestant's processes come up, and are ended. */
const startAndEndMs = 700

/** About what one contestant's turn takes on an idle machine. */
export function expectedTurnMs(name: string, timing: Timing): number {
  return (entries[name]?.turnMs(timing) ?? 0) + startAndEndMs
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

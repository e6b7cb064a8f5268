// Load generators of others, to show that ours flatters nobody: which scenario each of them can make the load of.

import { RelayError } from '../../lib/model/error.ts'
import { findProgram, outputOf } from '../contestants/find-program.ts'
import type { LoadTools } from '../load/tools.ts'
import type { Scenario } from '../scenario.ts'
import { tcpStreamByIperf3 } from './iperf3.ts'
import { tcpRrByWrk } from './wrk.ts'

export const generators = ['own', 'wrk', 'iperf3'] as const
export type GeneratorName = (typeof generators)[number]

export interface OutsideGenerator {
  /** Name and version. */
  readonly describe: string
  scenarios(tools: LoadTools): readonly Scenario[]
}

const kinds: Readonly<
  Record<
    Exclude<GeneratorName, 'own'>,
    {
      readonly scenario: string
      readonly install: string
      readonly version: readonly string[]
      readonly make: (tools: LoadTools, program: string) => Scenario
    }
  >
> = {
  wrk: { scenario: 'tcp-rr', install: 'apt install wrk', version: ['-v'], make: tcpRrByWrk },
  iperf3: {
    scenario: 'tcp-stream',
    install: 'apt install iperf3',
    version: ['--version'],
    make: tcpStreamByIperf3,
  },
}

/**
 * Null for our own.
 *
 * @throws INVALID_CONFIG for a scenario that it can't make the load of, BENCH where it isn't installed.
 */
export async function outsideGenerator(
  name: GeneratorName,
  scenarios: readonly string[],
): Promise<OutsideGenerator | null> {
  if (name === 'own') return null
  const { scenario, install, version, make } = kinds[name]
  const other = scenarios.find(each => each !== scenario)
  if (other !== undefined) {
    throw new RelayError(
      'INVALID_CONFIG',
      `--generator ${name} makes the load of ${scenario} only, not of ${other}: leave one of them out`,
    )
  }
  const program = findProgram(name)
  if (program === null) {
    throw new RelayError('BENCH', `--generator ${name}: it is not installed: ${install}`)
  }
  const said = await outputOf([program, ...version])
  const found = /\d+\.\d+(?:[\w.-]*\w)?/.exec(said ?? '')?.[0] ?? 'of an unknown version'
  return { describe: `${name} ${found}`, scenarios: tools => [make(tools, program)] }
}

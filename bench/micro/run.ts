// The micro-benchmarks, by groups: what parts of kube-relay cost by themselves, without a network.
// Run with: node bench/micro/run.ts [GROUP...] [--rounds N] [--round-ms MS] [--json]

import { parseArgs } from 'node:util'
import { RelayError } from '../../lib/model/error.ts'
import { formatSpread } from '../report/units.ts'
import { dataPlane } from './data-plane.ts'
import { desiredState } from './desired-state.ts'
import { measureGroup, type MicroBenchmark, type MicroResult } from './measure.ts'
import { pick } from './pick.ts'
import { usualSizes, type MicroSizes } from './sizes.ts'
import { tableDiff } from './table-diff.ts'
import { watchFraming } from './watch-framing.ts'

export const microGroups: Readonly<Record<string, (sizes: MicroSizes) => readonly MicroBenchmark[]>> = {
  'desired-state': desiredState,
  'table-diff': tableDiff,
  'data-plane': dataPlane,
  pick,
  'watch-framing': watchFraming,
}

const usage =
  'node bench/micro/run.ts [GROUP...] [--rounds N] [--round-ms MS] [--json]; ' +
  `groups: ${Object.keys(microGroups).join(', ')}, all of them if none is named`

async function main(): Promise<void> {
  const { groups, json, ...measure } = readOptions()
  for (const group of groups) {
    const results = await measureGroup(microGroups[group]?.(usualSizes) ?? [], measure)
    process.stdout.write(json ? jsonLines(group, results) : `${group}\n${microTable(results)}\n`)
  }
}

interface MicroOptions {
  readonly groups: readonly string[]
  readonly rounds: number
  readonly roundMs: number
  readonly json: boolean
}

/** @throws INVALID_CONFIG with what is wrong, and the usage. */
function readOptions(): MicroOptions {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '7' },
        'round-ms': { type: 'string', default: '50' },
        json: { type: 'boolean', default: false },
      },
    })
    const unknown = positionals.find(name => !Object.hasOwn(microGroups, name))
    if (unknown !== undefined) throw new TypeError(`there is no group "${unknown}"`)
    for (const name of ['rounds', 'round-ms'] as const) {
      if (!/^[1-9]\d{0,5}$/.test(values[name]))
        throw new TypeError(`--${name}: expected a whole number from 1 on`)
    }
    return {
      groups: positionals.length === 0 ? Object.keys(microGroups) : positionals,
      rounds: Number(values.rounds),
      roundMs: Number(values['round-ms']),
      json: values.json,
    }
  } catch (error) {
    throw new RelayError('INVALID_CONFIG', `${(error as Error).message}: ${usage}`, { cause: error })
  }
}

function jsonLines(group: string, results: readonly MicroResult[]): string {
  return results.map(result => `${JSON.stringify({ group, ...result })}\n`).join('')
}

export function microTable(results: readonly MicroResult[]): string {
  const width = Math.max(...results.map(({ name }) => name.length))
  const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })
  return results
    .map(({ name, nsPerOperation, operationsPerSecond }) => {
      const cells = [
        `${number.format(operationsPerSecond)} ops/s`.padStart(18),
        `${number.format(nsPerOperation.median)} ns/op`.padStart(22),
        formatSpread(nsPerOperation).padStart(8),
      ]
      return `  ${name.padEnd(width)}${cells.join('')}\n`
    })
    .join('')
}

if (import.meta.main) await main()

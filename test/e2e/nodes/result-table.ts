// The table at the end of a run: a line for each scenario, a column for each VIP mode and IP family, with what became
// of it and how long it took. The test files of one run share it, through files in the run's temporary folder, and
// test/e2e/run prints it: it has the last word, whatever tap's reporter does with a test's output.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { VipMode } from '../../../lib/model/vip-mode.ts'
import type { Family } from './place-protocol.ts'

export interface ScenarioResult {
  readonly scenario: string
  readonly mode: VipMode
  readonly family: Family
  /** `skip`: the scenario doesn't apply there. */
  readonly outcome: 'pass' | 'fail' | 'skip'
  readonly seconds: number
}

/** Adds a result to those of this run so far, and writes the table of all of them anew. */
export function addResult(result: ScenarioResult): void {
  const file = join(tmpdir(), 'scenarios.json')
  const earlier = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ScenarioResult[]) : []
  const all = [...earlier, result]
  writeFileSync(file, JSON.stringify(all))
  // As comments, since the run's output is TAP. test/e2e/run knows the file by this name.
  writeFileSync(
    join(tmpdir(), 'scenarios.txt'),
    renderResults(all)
      .map(line => `# ${line}\n`)
      .join(''),
  )
}

/** Lines of equal columns: the headline, the scenarios in the order in which they came, the sums. */
function renderResults(results: readonly ScenarioResult[]): readonly string[] {
  const columns = [...new Set(results.map(columnOf))]
  const scenarios = [...new Set(results.map(({ scenario }) => scenario))]
  const cellOf = (scenario: string, column: string): string => {
    const found = results.find(result => result.scenario === scenario && columnOf(result) === column)
    if (found === undefined) return ''
    return found.outcome === 'skip'
      ? '-'
      : `${found.outcome.padEnd(4)} ${found.seconds.toFixed(1).padStart(5)} s`
  }
  const sumOf = (column: string): string => {
    const here = results.filter(result => columnOf(result) === column)
    const count = (outcome: string): number => here.filter(result => result.outcome === outcome).length
    return `${count('pass')} pass, ${count('fail')} fail`
  }
  const rows = [
    ['scenario', ...columns],
    ...scenarios.map(scenario => [scenario, ...columns.map(column => cellOf(scenario, column))]),
    ['', ...columns.map(sumOf)],
  ]
  const widths = rows[0]?.map((_, index) => Math.max(...rows.map(row => row[index]?.length ?? 0))) ?? []
  return rows.map(row =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function columnOf({ mode, family }: ScenarioResult): string {
  return `${mode} ${family}`
}

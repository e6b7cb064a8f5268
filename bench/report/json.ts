// A result as a file: written by --json, read back by --compare.

import { readFileSync } from 'node:fs'
import { reasonOf, RelayError } from '../../lib/model/error.ts'
import { resultFormat, type BenchResult } from '../result.ts'

export function renderJson(result: BenchResult): string {
  return `${JSON.stringify(result, null, 1)}\n`
}

/** @throws INVALID_CONFIG for a file that is no result of this program. */
export function readResult(file: string): BenchResult {
  let document: Partial<BenchResult> | null
  try {
    document = JSON.parse(readFileSync(file, 'utf8')) as Partial<BenchResult> | null
  } catch (error) {
    throw new RelayError('INVALID_CONFIG', `${file} can't be read: ${reasonOf(error)}`, { cause: error })
  }
  if (document?.format !== resultFormat || !isResult(document)) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${file} is not a result of this version of kube-relay bench: make it anew with --json ${file}`,
    )
  }
  return document
}

/** What a comparison reads. */
function isResult(document: Partial<BenchResult>): document is BenchResult {
  const { scenarios, options, environment } = document
  return (
    Array.isArray(scenarios) &&
    typeof options === 'object' &&
    typeof environment === 'object' &&
    scenarios.every(
      ({ name, metrics, measurements, failures, excused }) =>
        typeof name === 'string' &&
        Array.isArray(metrics) &&
        Array.isArray(measurements) &&
        measurements.every(
          each =>
            typeof each === 'object' &&
            each !== null &&
            typeof (each as { contestant?: unknown }).contestant === 'string' &&
            typeof (each as { values?: unknown }).values === 'object',
        ) &&
        Array.isArray(failures) &&
        typeof excused === 'object',
    )
  )
}

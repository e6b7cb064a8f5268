// How figures are written for people: three significant digits, with the prefix that the unit has at that size.

import type { Metric } from '../scenario.ts'
import { spread, type Summary } from '../statistics.ts'

/** "12.3 k/s", "1.25 GB/s", "45.6 µs", "18.2 KiB": short, and with its unit. */
export function formatFigure(value: number, { unit }: Pick<Metric, 'unit'>): string {
  switch (unit) {
    case 'B':
      return withPrefix(value, 1024, ['B', 'KiB', 'MiB', 'GiB'])
    case 'B/s':
      return withPrefix(value, 1000, ['B/s', 'kB/s', 'MB/s', 'GB/s'])
    case 'µs':
      return withPrefix(value, 1000, ['µs', 'ms', 's'])
    case 'ms':
      return value > 0 && value < 1
        ? `${digits(value * 1000)} µs`
        : value >= 1000
          ? `${digits(value / 1000)} s`
          : `${digits(value)} ms`
    case '/s':
      return `${new Intl.NumberFormat('en').format(value >= 100 ? Math.round(value) : Number(digits(value)))}/s`
    case '':
      return digits(value)
    default:
      return `${digits(value)} ${unit}`
  }
}

/** "0.87×" */
export function formatRatio(ratio: number | null): string {
  return ratio === null ? '–' : `${ratio >= 100 ? Math.round(ratio) : ratio.toFixed(2)}×`
}

export function formatPercent(part: number): string {
  return `${Math.round(part * 100)} %`
}

/** "±20 %"; nothing for a single round, which shows no spread. */
export function formatSpread(summary: Summary): string {
  return summary.rounds < 2 ? '' : `±${formatPercent(spread(summary) / 2)}`
}

/** "ops/s", "cpu/op", "latency p99", "list @1,000": as a column's head. Units stand beside the figures. */
export function shortName(metric: string): string {
  return metric
    .replace(/(?<!_per)_(us|ms|s|percent)(?=@|$)/, '')
    .replace(/_per_/g, '/')
    .replaceAll('_', ' ')
    .replace(/\bcpu (us|s)\b/, 'cpu')
    .replace(/@(\d+)$/, (_, size: string) => ` @${new Intl.NumberFormat('en').format(Number(size))}`)
}

/** "for each change, at 1000 Services" is "for each change, against the number of Services". */
export function againstTheNumber(describe: string): string {
  return describe.replace(/, at [\d,.]+ (\S+)$/, ', against the number of $1')
}

function withPrefix(value: number, base: number, units: readonly string[]): string {
  let scaled = value
  let at = 0
  while (Math.abs(scaled) >= base && at < units.length - 1) {
    scaled /= base
    at++
  }
  return `${digits(scaled)} ${units[at]}`
}

/** Three significant digits, without an exponent. */
function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value))
  return value.toFixed(size >= 10 ? 1 : size >= 0.01 || size === 0 ? 2 : 4)
}

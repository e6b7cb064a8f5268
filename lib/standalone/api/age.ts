// How long ago something was, as kubectl shows it: two units at most, and fewer of them the longer it is. The server
// prints ages, clients only show them (apimachinery pkg/util/duration).

import { asString } from '../../model/fields.ts'

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayHours = 24
const yearDays = 365

/** "45s", "5m10s", "3h", "2d4h" or "3y20d"; "<unknown>" for what is no time. Both in milliseconds since 1970. */
export function ageOf(timestamp: unknown, now: number): string {
  const then = Date.parse(asString(timestamp))
  return Number.isNaN(then) ? '<unknown>' : humanDuration(now - then)
}

/** A duration in milliseconds. Clocks may differ by a second; what is further ahead is "<invalid>". */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / secondMs)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.trunc(durationMs / minuteMs)
  if (minutes < 10) return twoUnits(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  const hours = Math.trunc(durationMs / hourMs)
  if (hours < 8) return twoUnits(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  const days = Math.trunc(hours / dayHours)
  if (days < 8) return twoUnits(days, 'd', hours % dayHours, 'h')
  if (days < 2 * yearDays) return `${days}d`
  const years = Math.trunc(days / yearDays)
  return years < 8 ? twoUnits(years, 'y', days % yearDays, 'd') : `${years}y`
}

function twoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`
}

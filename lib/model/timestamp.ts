// Times in API objects: RFC 3339 texts, which the API server keeps in UTC with whole seconds (metav1.Time) or with six
// digits of microseconds (metav1.MicroTime).

const pattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/
const canonicalSeconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

/**
 * The same time as the API server writes it, or null for a text that it wouldn't read. `microseconds` insists on six
 * digits, as Go's layout "2006-01-02T15:04:05.000000Z07:00" does.
 */
export function canonicalTimestamp(text: string, precision: 'seconds' | 'microseconds'): string | null {
  const [, year, month, day, hour, minute, second, fraction = '', zone = ''] = pattern.exec(text) ?? []
  if (year === undefined || !isDate(Number(year), Number(month), Number(day))) return null
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null
  if (precision === 'microseconds' && fraction.length !== 7) return null
  if (precision === 'seconds' && canonicalSeconds.test(text)) return text
  if (zone !== 'Z' && (Number(zone.slice(1, 3)) > 23 || Number(zone.slice(4)) > 59)) return null
  const utc = new Date(text).toISOString()
  // A year that has more or fewer than four digits once the offset is taken away.
  if (!/^\d{4}-/.test(utc)) return null
  return `${utc.slice(0, 19)}${precision === 'seconds' ? '' : fraction}Z`
}

function isDate(year: number, month: number, day: number): boolean {
  // Day 0 of the next month is this month's last.
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
}

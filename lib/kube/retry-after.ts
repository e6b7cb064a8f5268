// The Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date.

/** Milliseconds to wait from `now` on; null without a header or with one that makes no sense. */
export function retryAfterMs(header: string | string[] | undefined, now: number): number | null {
  const value = (Array.isArray(header) ? header[0] : header)?.trim()
  if (value === undefined || value === '') return null
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  // Date.parse takes "-5" and "1.5" for years and months; an HTTP date starts with a weekday.
  const date = /^[A-Za-z]/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}

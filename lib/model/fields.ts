// Reading fields of untrusted JSON. An API server validates what it stores, but CRDs, old objects and other
// servers may not: a reader here says what a field is or that it isn't there, and never throws.

export type Fields = Readonly<Record<string, unknown>>

/** The value as an object's fields; `{}` for null, arrays and everything that isn't an object. */
export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

/** The value as a list; empty for null and everything that isn't a list. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : []
}

/** The value as a string; the fallback for everything else, null included. */
export function asString(value: unknown, fallback = ''): string {
  return typeof value === 'string' ? value : fallback
}

/** The value as a finite number; the fallback for everything else, numbers in text included. */
export function asNumber(value: unknown, fallback = 0): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback
}

/** A boolean, or the given default where the field is missing, null or malformed. */
export function asBoolean(value: unknown, fallback: boolean): boolean {
  return typeof value === 'boolean' ? value : fallback
}

/** A value from someone else for a message: one bounded line, so that a huge or deep one can't fill the log. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
  return typeof value === 'string' && value.length > 80 ? `${text}…` : text
}

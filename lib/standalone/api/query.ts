// Reading a query's values, with the real API server's leniency and its errors.

import { badRequest } from '../kinds/status.ts'

/** An integer; undefined where it is missing or empty. Throws a 400. */
export function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const value = Number(text)
  if (!/^[-+]?\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw badRequest(`${name}: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  }
  return value
}

/** A resourceVersion; undefined where it is missing or empty. Throws a 400. */
export function resourceVersionOf(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion')
  if (text === null || text === '') return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    const quoted = JSON.stringify(text)
    throw badRequest(
      `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`,
    )
  }
  return value
}

/** "0", "false" and absence are false, the rest is true. */
export function booleanOf(query: URLSearchParams, name: string): boolean {
  const text = query.get(name)?.toLowerCase()
  return text !== undefined && text !== '0' && text !== 'false'
}

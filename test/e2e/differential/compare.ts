// Compares two answers to the same step. What a server chooses by itself (uids, versions, times, addresses, ports,
// random names) can't be equal; it must be there on both sides, and stay, change and recur on both sides alike: the
// values are kept as pairs, one real, one ours, for each object.

import type { Answer } from './play.ts'
import type { Request, Step } from './step.ts'

export interface Difference {
  /**
   * The place in the body, `body.spec.ports[0].nodePort`, or "contentType", "stdout" and so on. "outcome" where one
   * server did it and the other refused, or both refused with other codes: then the rest isn't compared.
   */
  readonly path: string
  readonly real: unknown
  readonly ours: unknown
}

export interface Comparison {
  readonly differences: readonly Difference[]
  /** Messages of a Status and descriptions in a Table that aren't the same; they don't count as differences. */
  readonly messages: readonly Difference[]
}

interface Scope {
  /** The name of the innermost object, "" where it has none. */
  readonly object: string
  /** Inside a Status or a column of a Table, whose messages and descriptions are for people. */
  readonly prose: boolean
}

const allocatedKeys = new Set(['uid', 'resourceVersion', 'clusterIP', 'nodePort', 'healthCheckNodePort'])
const allocatedLists = new Set(['clusterIPs'])
const discoveryLists = new Set(['body.resources', 'body.groups'])
const proseKeys = new Set(['message', 'description'])
const ignoredKeys = new Set(['managedFields', 'selfLink'])
const secondsPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/
const microsPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/
/** An AGE cell of a Table. */
const agePattern = /^(\d+[dhms])+$/
/** What a server appends to generateName: five characters that spell no words. */
const suffixPattern = /^[bcdfghjklmnpqrstvwxz2456789]{5}$/

export interface Comparer {
  compare(step: Step, real: Answer, ours: Answer): Comparison
}

export function createComparer(): Comparer {
  const pairs = new Map<
    string,
    { readonly toOurs: Map<unknown, unknown>; readonly toReal: Map<unknown, unknown> }
  >()

  /** Whether the two values belong together: as they did before, or both for the first time. */
  const paired = (object: string, real: unknown, ours: unknown): boolean => {
    let known = pairs.get(object)
    if (!known) pairs.set(object, (known = { toOurs: new Map(), toReal: new Map() }))
    const { toOurs, toReal } = known
    if (toOurs.has(real) || toReal.has(ours)) return toOurs.get(real) === ours && toReal.get(ours) === real
    toOurs.set(real, ours)
    toReal.set(ours, real)
    return true
  }

  return {
    compare(step, realAnswer, oursAnswer) {
      const differences: Difference[] = []
      const messages: Difference[] = []
      const request = 'method' in step.request ? step.request : undefined
      const asked = literalsOf(request?.edit ?? request?.body)

      const same = (key: string, scope: Scope, real: unknown, ours: unknown): boolean => {
        if (real === ours) {
          if (allocatedKeys.has(key)) paired(scope.object, real, ours)
          return true
        }
        if (typeof real !== typeof ours || (typeof real !== 'string' && typeof real !== 'number'))
          return false
        if (key === 'name' && sameGeneratedName(String(real), String(ours))) return true
        if (real === '' || ours === '' || asked.has(String(real)) || asked.has(String(ours))) return false
        if (key === 'continue') return true
        if (key === 'resourceVersion' && scope.object === '') return true
        if (allocatedKeys.has(key)) return paired(scope.object, real, ours)
        if (typeof real !== 'string' || typeof ours !== 'string') return false
        if (key === 'cells' && agePattern.test(real) && agePattern.test(ours)) return true
        return [secondsPattern, microsPattern].some(pattern => pattern.test(real) && pattern.test(ours))
      }

      const walk = (path: string, key: string, scope: Scope, real: unknown, ours: unknown): void => {
        if (discoveryLists.has(path)) {
          walk(`${path}:`, key, scope, byName(real), byName(ours))
        } else if (Array.isArray(real) && Array.isArray(ours)) {
          const elementKey = allocatedLists.has(key) ? key.slice(0, -1) : key
          for (let i = 0; i < Math.max(real.length, ours.length); i++) {
            walk(`${path}[${i}]`, elementKey, scope, real[i] as unknown, ours[i] as unknown)
          }
        } else if (isRecord(real) && isRecord(ours)) {
          if (real['kind'] !== ours['kind'] && path === 'body') {
            differences.push({ path: 'body.kind', real: real['kind'], ours: ours['kind'] })
            return
          }
          const within = scopeWithin(scope, real)
          for (const name of new Set([...Object.keys(real), ...Object.keys(ours)])) {
            if (ignoredKeys.has(name)) continue
            walk(path + accessor(name), name, within, real[name], ours[name])
          }
        } else if (scope.prose && proseKeys.has(key)) {
          if (real !== ours) messages.push({ path, real, ours })
        } else if (!same(key, scope, real, ours)) {
          differences.push({ path, real, ours })
        }
      }

      const outer: Scope = { object: '', prose: false }
      if (forgets(request, realAnswer.status)) for (const name of namesOf(realAnswer.body)) pairs.delete(name)
      if (realAnswer.status !== oursAnswer.status) {
        differences.push({ path: 'outcome', real: outcomeOf(realAnswer), ours: outcomeOf(oursAnswer) })
        return { differences, messages }
      }
      for (const key of ['contentType', 'warnings', 'body', 'stdout', 'stderr'] as const) {
        const [real, ours] = [realAnswer[key], oursAnswer[key]].map(value =>
          key === 'stdout' || key === 'stderr' ? maskedText(value) : value,
        )
        walk(key, key, outer, real, ours)
      }
      return { differences, messages }
    },
  }
}

/** "422 Invalid: spec.ports FieldValueRequired, …" for a Status, the code alone for anything else. */
function outcomeOf({ status, body, stderr }: Answer): string {
  if (stderr !== undefined) return `${status} ${stderr}`
  if (!isRecord(body) || body['kind'] !== 'Status') return String(status)
  const { details } = body
  const causes: readonly unknown[] =
    isRecord(details) && Array.isArray(details['causes']) ? details['causes'] : []
  const fields = causes.map(cause => `${textOf(cause, 'field')} ${textOf(cause, 'reason')}`)
  const why = fields.length > 0 ? fields.join(', ') : textOf(body, 'message')
  return `${status} ${textOf(body, 'reason')}: ${why}`
}

/** An object that is created or deleted gives up what it was paired by: a server may allocate it again. */
function forgets(request: Request | undefined, status: number): boolean {
  return status < 300 && (request?.method === 'POST' || request?.method === 'DELETE')
}

function namesOf(body: unknown): readonly string[] {
  if (!isRecord(body)) return []
  return [textOf(body['metadata'], 'name'), textOf(body['details'], 'name')].filter(name => name !== '')
}

function scopeWithin(scope: Scope, value: Readonly<Record<string, unknown>>): Scope {
  const { metadata, details } = value
  const holder = [metadata, details].find(each => isRecord(each) && typeof each['name'] === 'string')
  return {
    object: textOf(holder, 'generateName') || textOf(holder, 'name') || scope.object,
    prose: scope.prose || value['kind'] === 'Status' || value['kind'] === 'Table',
  }
}

/** Two names that the servers made from the same generateName. */
function sameGeneratedName(real: string, ours: string): boolean {
  return (
    real.slice(0, -5) === ours.slice(0, -5) &&
    suffixPattern.test(real.slice(-5)) &&
    suffixPattern.test(ours.slice(-5))
  )
}

/** Lists of discovery in which the order says nothing, by the names of their entries. */
function byName(value: unknown): unknown {
  if (!Array.isArray(value)) return value
  return Object.fromEntries(value.map((each, i) => [isRecord(each) ? String(each['name']) : String(i), each]))
}

/** Every string and number that a request names: a server must not put anything else in its place. */
function literalsOf(body: unknown): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (value: unknown): void => {
    if (typeof value === 'string' || typeof value === 'number') found.add(String(value))
    else if (Array.isArray(value)) for (const each of value) visit(each)
    else if (isRecord(value)) for (const each of Object.values(value)) visit(each)
  }
  visit(body)
  return found
}

/** kubectl's output without what differs between any two servers. */
function maskedText(value: unknown): unknown {
  if (typeof value !== 'string') return value
  return value
    .replaceAll(/https?:\/\/127\.0\.0\.1:\d+/g, '<server>')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
    .replaceAll(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000/g, '<time>')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uid>')
    .replaceAll(/(resourceVersion: )"\d+"/g, '$1<version>')
    .replaceAll(/\b10\.96\.\d+\.\d+\b|\bfd00:96::[0-9a-f:]+/g, '<ip>')
    .replaceAll(/(NodePort:\s+\S+\s+|nodePort: |\d:)(3[1-9]|[45]\d)\d{3}\b/g, '$1<port>')
    .replaceAll(/(\s)(\d+[dhms])+(\s)/g, '$1<age>$3')
    .replaceAll(/[ \t]+/g, ' ')
}

function accessor(key: string): string {
  return /^[A-Za-z]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

/** A string of an object that may be none; "" where it isn't there. */
function textOf(holder: unknown, key: string): string {
  const value = isRecord(holder) ? holder[key] : undefined
  return typeof value === 'string' ? value : ''
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

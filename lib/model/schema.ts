// A small schema language for API objects and configuration files, and the one function that checks a value against
// it. What comes out has the shape that the schema says: unknown fields and nulls are dropped, as the real API server's
// decoder does, and each problem says where it is, so that a file's reader can be pointed at the line.

import { closest } from './closest.ts'
import { canonicalQuantity } from './quantity.ts'
import { canonicalTimestamp } from './timestamp.ts'

/** What a value has to be, for "must be …", or null for one that is right. */
export type Check<T> = (value: T) => string | null

/** What every schema may say about its value beside its type. */
interface Described {
  /** One or two sentences for people: what `kubectl explain` shows. */
  readonly doc?: string
  /**
   * A refinement of the type, which is checked: integers that fit in 32 bits, strings that are a time in RFC 3339 (kept
   * in seconds or in microseconds), strings or numbers that are an amount (kept in its canonical form: 500m, 2Gi).
   */
  readonly format?: Format
  /** What OpenAPI calls the type, where several places share it ("io.k8s.api.core.v1.ServicePort"). */
  readonly name?: string
}

export type Format = 'int32' | 'int64' | 'date-time' | 'micro-time' | 'quantity'

/**
 * How lists are merged by a strategic merge patch: by their items' field `key`, or as a set of plain values.
 * `mapKeys`: the fields that tell items apart for server-side apply, where that isn't `key` alone.
 * Absent: a list is replaced as a whole.
 */
export type ListMerge =
  { readonly key: string; readonly retainKeys?: boolean; readonly mapKeys?: readonly string[] } | 'set'

export type Schema = Described &
  (
    | { readonly type: 'string'; readonly values?: readonly string[]; readonly check?: Check<string> }
    | { readonly type: 'integer'; readonly check?: Check<number> }
    | { readonly type: 'number' }
    | { readonly type: 'boolean' }
    | { readonly type: 'intOrString' }
    | { readonly type: 'any' }
    | { readonly type: 'list'; readonly items: Schema; readonly merge?: ListMerge }
    | { readonly type: 'map'; readonly values: Schema }
    | {
        readonly type: 'object'
        readonly fields: Readonly<Record<string, Schema>>
        /** Of a type with a name: what it is, wherever it is used; `doc` says what this use of it is for. */
        readonly typeDoc?: string
        /** For the whole of an object that server-side apply never merges field by field. */
        readonly atomic?: boolean
        /** What OpenAPI lists as required. Decoding lets it be absent; a kind's validation is what refuses that. */
        readonly required?: readonly string[]
      }
  )

/** The way to a value inside an object: field names and list indexes. */
export type Path = readonly (string | number)[]

export interface SchemaProblem {
  readonly kind: 'unknown-field' | 'wrong-type'
  readonly path: Path
  /** One sentence without a capital or full stop, with the path in it. */
  readonly message: string
}

export interface Conformed {
  readonly value: unknown
  readonly problems: readonly SchemaProblem[]
}

/** "spec.ports[0].nodePort"; keys that aren't identifiers are quoted: metadata.labels["a/b"]. */
export function formatPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!/^[A-Za-z_$][\w$-]*$/.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** The inverse of formatPath for the paths in a Status's causes; stops at the first thing it can't read. */
export function parsePath(text: string): Path {
  const path: (string | number)[] = []
  for (const [, name, index, quoted] of text.matchAll(
    /\.?([A-Za-z_$][\w$-]*)|\[(\d+)\]|\["?([^\]"]*)"?\]/gy,
  )) {
    path.push(index === undefined ? (name ?? quoted ?? '') : Number(index))
  }
  return path
}

/** Checks a value and returns the part of it that conforms, with a problem for everything that doesn't. */
export function conform(schema: Schema, value: unknown): Conformed {
  const decoding: Decoding = { path: [], problems: [] }
  return { value: conformAt(schema, value, decoding), problems: decoding.problems }
}

/** A guess is slow to make, and nobody reads more of them. */
const maxGuesses = 100

/** `path` is where decoding is now; one array for the whole object, because most values have no problem. */
interface Decoding {
  readonly path: (string | number)[]
  readonly problems: SchemaProblem[]
}

function conformAt(schema: Schema, value: unknown, decoding: Decoding): unknown {
  if (value === undefined || value === null) return undefined
  switch (schema.type) {
    case 'any':
      return value
    case 'string':
      return conformString(schema, value, decoding)
    case 'integer': {
      const expected = integerProblem(schema, value)
      return expected === null ? value : wrongType(expected, value, decoding)
    }
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
        ? value
        : wrongType('a number', value, decoding)
    case 'boolean':
      return typeof value === 'boolean' ? value : wrongType('true or false', value, decoding)
    case 'intOrString':
      return typeof value === 'string' || isInt32(value)
        ? value
        : wrongType('a 32-bit integer or a string', value, decoding)
    case 'list':
      return Array.isArray(value)
        ? conformItems(schema.items, value, decoding)
        : wrongType('a list', value, decoding)
    default:
      return isFields(value)
        ? conformFields(schema, value, decoding)
        : wrongType('a mapping', value, decoding)
  }
}

function conformString(
  schema: Extract<Schema, { readonly type: 'string' }>,
  value: unknown,
  decoding: Decoding,
): string | undefined {
  if (schema.format === 'quantity' && (typeof value === 'string' || typeof value === 'number')) {
    return canonicalQuantity(String(value)) ?? wrongType('a quantity like 500m or 2Gi', value, decoding)
  }
  if (typeof value !== 'string') {
    const quotable = typeof value === 'number' || typeof value === 'boolean'
    return wrongType(quotable ? 'a string (put it in quotes)' : 'a string', value, decoding)
  }
  switch (schema.format) {
    case 'date-time':
    case 'micro-time': {
      const time = canonicalTimestamp(value, schema.format === 'date-time' ? 'seconds' : 'microseconds')
      const example = schema.format === 'date-time' ? '2026-01-31T12:00:00Z' : '2026-01-31T12:00:00.000000Z'
      return time ?? wrongType(`a time like ${example}`, value, decoding)
    }
    default:
  }
  if (schema.values && !schema.values.includes(value)) {
    const guess = closest(value, schema.values)
    const hint = guess === undefined ? '' : ` (did you mean ${guess}?)`
    return wrongType(`one of ${schema.values.join(', ')}${hint}`, value, decoding)
  }
  const expected = schema.check?.(value) ?? null
  return expected === null ? value : wrongType(expected, value, decoding)
}

function integerProblem(
  schema: Extract<Schema, { readonly type: 'integer' }>,
  value: unknown,
): string | null {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return 'an integer'
  if (schema.format === 'int32' && !isInt32(value)) return 'a 32-bit integer'
  return schema.check?.(value) ?? null
}

function isInt32(value: unknown): boolean {
  return typeof value === 'number' && (value | 0) === value
}

function wrongType(expected: string, value: unknown, { path, problems }: Decoding): undefined {
  const message = `${formatPath(path) || 'the object'} must be ${expected}, not ${describe(value)}`
  problems.push({ kind: 'wrong-type', path: [...path], message })
}

function conformItems(schema: Schema, values: readonly unknown[], decoding: Decoding): readonly unknown[] {
  const result: unknown[] = []
  for (const [i, value] of values.entries()) {
    decoding.path.push(i)
    const conformed = conformAt(schema, value, decoding)
    decoding.path.pop()
    if (conformed !== undefined) result.push(conformed)
  }
  return result
}

function conformFields(
  schema: Extract<Schema, { readonly type: 'map' | 'object' }>,
  value: Readonly<Record<string, unknown>>,
  decoding: Decoding,
): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    // A client's JSON may well contain "__proto__"; assigning it would set the prototype.
    if (key === '__proto__') continue
    decoding.path.push(key)
    const innerSchema = schema.type === 'map' ? schema.values : fieldSchema(schema, key)
    if (innerSchema) {
      const conformed = conformAt(innerSchema, inner, decoding)
      if (conformed !== undefined) result[key] = conformed
    } else {
      const known = schema.type === 'object' && decoding.problems.length < maxGuesses ? schema.fields : {}
      decoding.problems.push(unknownField(known, [...decoding.path]))
    }
    decoding.path.pop()
  }
  return result
}

function fieldSchema(schema: Extract<Schema, { readonly type: 'object' }>, key: string): Schema | undefined {
  return Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined
}

function unknownField(fields: Readonly<Record<string, Schema>>, path: Path): SchemaProblem {
  const guess = closest(String(path.at(-1)), Object.keys(fields))
  const hint = guess === undefined ? '' : `, did you mean ${formatPath([...path.slice(0, -1), guess])}?`
  return { kind: 'unknown-field', path, message: `unknown field ${formatPath(path)}${hint}` }
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  return JSON.stringify(value)
}

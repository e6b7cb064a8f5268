// A small schema language for API objects and configuration files, and the one function that checks a value against
// it. What comes out has the shape that the schema says: unknown fields and nulls are dropped, as the real API server's
// decoder does, and each problem says where it is, so that a file's reader can be pointed at the line.

import { closest } from './closest.ts'

/** What a value has to be, for "must be …", or null for one that is right. */
export type Check<T> = (value: T) => string | null

/** What every schema may say about its value beside its type. */
interface Described {
  /** One or two sentences for people: what `kubectl explain` shows. */
  readonly doc?: string
  /** OpenAPI's refinement of the type: int32, int64, date-time, byte … */
  readonly format?: string
}

/**
 * How lists are merged by a strategic merge patch: by their items' field `key`, or as a set of plain values.
 * Absent: a list is replaced as a whole.
 */
export type ListMerge = { readonly key: string; readonly retainKeys?: boolean } | 'set'

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
    /**
     * `open`: fields that aren't listed are kept unchecked, for kinds of which we read little. `name`: what OpenAPI
     * calls the type, where several places share it ("io.k8s.api.core.v1.ServicePort").
     */
    | {
        readonly type: 'object'
        readonly fields: Readonly<Record<string, Schema>>
        readonly open?: boolean
        readonly name?: string
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
  const problems: SchemaProblem[] = []
  return { value: conformAt(schema, value, [], problems), problems }
}

function conformAt(schema: Schema, value: unknown, path: Path, problems: SchemaProblem[]): unknown {
  if (value === undefined || value === null) return undefined
  const wrongType = (expected: string): undefined => {
    const message = `${formatPath(path) || 'the object'} must be ${expected}, not ${describe(value)}`
    problems.push({ kind: 'wrong-type', path, message })
  }
  switch (schema.type) {
    case 'any':
      return value
    case 'string':
      if (typeof value !== 'string') {
        const quotable = typeof value === 'number' || typeof value === 'boolean'
        return wrongType(quotable ? 'a string (put it in quotes)' : 'a string')
      }
      if (schema.values && !schema.values.includes(value)) {
        const guess = closest(value, schema.values)
        const hint = guess === undefined ? '' : ` (did you mean ${guess}?)`
        return wrongType(`one of ${schema.values.join(', ')}${hint}`)
      }
      return checked(value, schema.check, wrongType)
    case 'integer':
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return wrongType('an integer')
      return checked(value, schema.check, wrongType)
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) ? value : wrongType('a number')
    case 'boolean':
      return typeof value === 'boolean' ? value : wrongType('true or false')
    case 'intOrString':
      return typeof value === 'string' || Number.isSafeInteger(value)
        ? value
        : wrongType('an integer or a string')
    case 'list':
      if (!Array.isArray(value)) return wrongType('a list')
      return value
        .map((item, i) => conformAt(schema.items, item, [...path, i], problems))
        .filter(item => item !== undefined)
    default:
      return isFields(value) ? conformFields(schema, value, path, problems) : wrongType('a mapping')
  }
}

function checked<T>(
  value: T,
  check: Check<T> | undefined,
  wrongType: (expected: string) => undefined,
): T | undefined {
  const expected = check?.(value) ?? null
  return expected === null ? value : wrongType(expected)
}

function conformFields(
  schema: Extract<Schema, { readonly type: 'map' | 'object' }>,
  value: Readonly<Record<string, unknown>>,
  path: Path,
  problems: SchemaProblem[],
): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    // A client's JSON may well contain "__proto__"; assigning it would set the prototype.
    if (key === '__proto__') continue
    const innerPath = [...path, key]
    const innerSchema = schema.type === 'map' ? schema.values : fieldSchema(schema, key)
    if (innerSchema === undefined) {
      problems.push(unknownField(schema.type === 'object' ? schema.fields : {}, innerPath))
      continue
    }
    const conformed = conformAt(innerSchema, inner, innerPath, problems)
    if (conformed !== undefined) result[key] = conformed
  }
  return result
}

function fieldSchema(schema: Extract<Schema, { readonly type: 'object' }>, key: string): Schema | undefined {
  if (Object.hasOwn(schema.fields, key)) return schema.fields[key]
  return schema.open === true ? { type: 'any' } : undefined
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

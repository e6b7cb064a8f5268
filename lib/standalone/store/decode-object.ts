// From a client's JSON to an object in its resource's shape. What the shape doesn't have is dropped and reported; what
// has another type is refused, in the words of the real API server.

import { describe } from '../../model/fields.ts'
import type { KubeObject, ObjectMeta } from '../../model/objects.ts'
import { conform, type Path, type Schema, type SchemaProblem } from '../../model/schema.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import { schemaOf } from '../kinds/schemas.ts'
import { badRequest } from '../kinds/status.ts'

export interface DecodedObject {
  readonly object: KubeObject
  /** The fields that were dropped because the kind doesn't have them: "spec.types". */
  readonly unknownFields: readonly string[]
}

/**
 * Throws a 400 for another kind or API version and for values of the wrong type. Nulls are dropped. An object without
 * a namespace gets the given one, if its kind has namespaces at all.
 */
export function decodeObject(
  type: ResourceType,
  input: unknown,
  defaultNamespace = 'default',
): DecodedObject {
  const { kind, apiVersion, ...fields } = mappingOf(type, input)
  const givenKind = typeof kind === 'string' && kind !== '' ? kind : type.kind
  const expected = apiVersionOf(type)
  const given = typeof apiVersion === 'string' && apiVersion !== '' ? apiVersion : expected
  const cannotBeHandled = (why: string) => {
    const version = given.slice(given.indexOf('/') + 1)
    return badRequest(`${givenKind} in version "${version}" cannot be handled as a ${type.kind}: ${why}`)
  }
  for (const [name, value] of [
    ['kind', kind],
    ['apiVersion', apiVersion],
  ] as const) {
    if (value === undefined || value === null || typeof value === 'string') continue
    throw badRequest(`couldn't get version/kind; ${name} must be a string, not ${describe(value)}`)
  }
  if (givenKind !== type.kind || given !== expected) {
    const what = `${expected} ${type.kind}`
    throw cannotBeHandled(
      `this path takes ${what}, and the data is apiVersion "${given}", kind "${givenKind}"`,
    )
  }
  const { value, problems } = conform(schemaOf(type), fields)
  const wrong = problems.find(problem => problem.kind === 'wrong-type')
  if (wrong) throw cannotBeHandled(goErrorOf(schemaOf(type), fields, wrong))
  const { metadata: authored, ...rest } = value as Partial<KubeObject>
  const { namespace, ...metadata } = withoutEmpty(authored ?? {})
  const placed = type.namespaced ? { ...metadata, namespace: namespace || defaultNamespace } : metadata
  return {
    object: { kind: type.kind, apiVersion: expected, metadata: placed, ...rest },
    unknownFields: problems
      .filter(problem => problem.kind === 'unknown-field')
      .map(({ path }) => formatGoPath(path)),
  }
}

/** Lists and maps of metadata that hold nothing are left out, as the real server does. */
function withoutEmpty(metadata: ObjectMeta): ObjectMeta {
  return Object.fromEntries(
    Object.entries(metadata).filter(
      ([, value]) => typeof value !== 'object' || value === null || Object.keys(value).length > 0,
    ),
  )
}

function mappingOf(type: ResourceType, input: unknown): Readonly<Record<string, unknown>> {
  if (input === null || input === undefined) return {}
  if (typeof input === 'object' && !Array.isArray(input)) return input as Readonly<Record<string, unknown>>
  throw badRequest(
    `the object provided is unrecognized (must be of type ${type.kind}): couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonTypeOf(input)} into Go value of type ${type.kind}`,
  )
}

/** "spec.ports[0].nodePort", with no quotes around any name: the form of the real server's warnings. */
function formatGoPath(path: Path): string {
  return path
    .map(step => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .slice(1)
}

/**
 * What Go's JSON decoder says of a value of the wrong type: "json: cannot unmarshal string into Go struct field
 * ServicePort.spec.ports.port of type int32". A value of the right type that isn't acceptable keeps its own message.
 */
function goErrorOf(schema: Schema, input: unknown, { path, message }: SchemaProblem): string {
  let at: Schema | undefined = schema
  let value = input
  let owner = ''
  for (const step of path) {
    if (at?.type === 'object') owner = at.name?.split('.').at(-1) ?? owner
    at = innerSchema(at, step)
    value = (value as Readonly<Record<string | number, unknown>>)[step]
  }
  const expected = at && goTypeOf(at)
  const found = jsonTypeOf(value)
  if (expected === undefined || found === expected.json) return message
  const names = path.filter(step => typeof step === 'string')
  const field = owner === '' ? names.join('.') : `${owner}.${names.join('.')}`
  return `json: cannot unmarshal ${found} into Go struct field ${field} of type ${expected.go}`
}

function innerSchema(schema: Schema | undefined, step: string | number): Schema | undefined {
  switch (schema?.type) {
    case 'list':
      return schema.items
    case 'map':
      return schema.values
    case 'object':
      return Object.hasOwn(schema.fields, step) ? schema.fields[step] : undefined
    default:
      return undefined
  }
}

function goTypeOf(schema: Schema): { readonly json: string; readonly go: string } | undefined {
  switch (schema.type) {
    case 'string':
      return { json: 'string', go: schema.format === 'date-time' ? 'v1.Time' : 'string' }
    case 'integer':
      return { json: 'number', go: schema.format ?? 'int64' }
    case 'number':
      return { json: 'number', go: 'float64' }
    case 'boolean':
      return { json: 'bool', go: 'bool' }
    case 'list':
      return { json: 'array', go: `[]${goTypeOf(schema.items)?.go ?? 'interface {}'}` }
    case 'map':
      return { json: 'object', go: `map[string]${goTypeOf(schema.values)?.go ?? 'interface {}'}` }
    case 'object':
      return { json: 'object', go: `v1.${schema.name?.split('.').at(-1) ?? 'Object'}` }
    default:
      return undefined
  }
}

function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  return value === null ? 'null' : typeof value
}

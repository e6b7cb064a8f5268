// From our schemas to OpenAPI's: each named type becomes a definition of its own, to which its uses refer.

import type { Schema } from '../../model/schema.ts'
import type { JsonSchema } from './openapi-types.ts'

export type OpenApiVersion = 2 | 3

/** Collects the definitions of all types that it is asked about, and of those that they use. */
export interface Definitions {
  /** The schema of a use of a type: as a rule a reference to its definition. */
  use(schema: Schema): JsonSchema
  /** A reference to a definition. */
  reference(name: string): JsonSchema
  /** Adds to a definition what the schema doesn't know, such as the kind that it is. */
  extend(name: string, extension: JsonSchema): void
  all(): Readonly<Record<string, JsonSchema>>
}

export function createDefinitions(version: OpenApiVersion): Definitions {
  const definitions = new Map<string, JsonSchema>()
  const reference = (name: string): JsonSchema => ({
    $ref: version === 2 ? `#/definitions/${name}` : `#/components/schemas/${name}`,
  })

  const use = (schema: Schema): JsonSchema => {
    const { name, doc } = schema
    if (name === undefined) return { ...described(doc), ...body(schema) }
    if (!definitions.has(name)) {
      definitions.set(name, {}) // so that a type which contains itself ends here
      definitions.set(name, { ...described(typeDocOf(schema)), ...body(schema) })
    }
    // In OpenAPI 3.0 nothing beside $ref counts.
    if (version === 3 && doc !== undefined) return { allOf: [reference(name)], description: doc }
    return { ...described(doc), ...reference(name) }
  }

  const body = (schema: Schema): JsonSchema => {
    switch (schema.type) {
      case 'any':
        return { type: 'object' }
      case 'intOrString':
        return version === 2
          ? { type: 'string', format: 'int-or-string' }
          : { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' }
      case 'string':
        if (schema.format === 'quantity' && version === 3)
          return { oneOf: [{ type: 'string' }, { type: 'number' }] }
        return { type: 'string', ...(isTime(schema) ? { format: 'date-time' } : {}) }
      case 'integer':
        return { type: 'integer', ...(schema.format === undefined ? {} : { format: schema.format }) }
      case 'list':
        return { type: 'array', items: use(schema.items), ...listExtensions(schema) }
      case 'map':
        return { type: 'object', additionalProperties: use(schema.values) }
      case 'object':
        return {
          type: 'object',
          properties: Object.fromEntries(
            Object.entries(schema.fields).map(([field, inner]) => [field, use(inner)]),
          ),
          ...(schema.required ? { required: schema.required } : {}),
          ...(schema.atomic === true ? { 'x-kubernetes-map-type': 'atomic' } : {}),
        }
      default:
        return { type: schema.type }
    }
  }

  return {
    use,
    reference,
    extend: (name, extension) => definitions.set(name, { ...definitions.get(name), ...extension }),
    all: () => Object.fromEntries([...definitions].sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}

function described(doc: string | undefined): JsonSchema {
  return doc === undefined ? {} : { description: doc }
}

function typeDocOf(schema: Schema): string | undefined {
  return schema.type === 'object' ? schema.typeDoc : undefined
}

function isTime({ format }: Schema): boolean {
  return format === 'date-time' || format === 'micro-time'
}

function listExtensions({ merge }: Extract<Schema, { readonly type: 'list' }>): JsonSchema {
  if (merge === undefined) return { 'x-kubernetes-list-type': 'atomic' }
  if (merge === 'set') return { 'x-kubernetes-list-type': 'set', 'x-kubernetes-patch-strategy': 'merge' }
  return {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': merge.mapKeys ?? [merge.key],
    'x-kubernetes-patch-merge-key': merge.key,
    'x-kubernetes-patch-strategy': merge.retainKeys === true ? 'merge,retainKeys' : 'merge',
  }
}

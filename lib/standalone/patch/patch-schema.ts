// What patches ask of a schema: what is below a field, and how its list is merged. A schema that says nothing (a field
// that the kind doesn't have) is undefined: mappings below it still merge, and lists are replaced.

import type { ListMerge, Schema } from '../../model/schema.ts'

export type Mapping = Readonly<Record<string, unknown>>

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function memberSchema(schema: Schema | undefined, name: string): Schema | undefined {
  if (schema?.type === 'map') return schema.values
  return schema?.type === 'object' && Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined
}

export function listSchema(
  schema: Schema | undefined,
): { readonly items: Schema; readonly merge?: ListMerge } | undefined {
  return schema?.type === 'list' ? schema : undefined
}

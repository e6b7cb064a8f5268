// The notation of the tables beside this file: one short word per field. A string given to it is the field's
// documentation; what a named type itself is for stands where the type is defined.

import type { ListMerge, Schema } from '../../../model/schema.ts'

export type Fields = Readonly<Record<string, Schema>>

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1'

export const string = (doc?: string): Schema => ({ type: 'string', ...about(doc) })
export const boolean = (doc?: string): Schema => ({ type: 'boolean', ...about(doc) })
export const int32 = (doc?: string): Schema => ({ type: 'integer', format: 'int32', ...about(doc) })
export const int64 = (doc?: string): Schema => ({ type: 'integer', format: 'int64', ...about(doc) })

export const intOrString = (doc?: string): Schema => ({
  type: 'intOrString',
  name: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  ...about(doc),
})

/** In whole seconds. */
export const time = (doc?: string): Schema => ({
  type: 'string',
  format: 'date-time',
  name: `${meta}.Time`,
  ...about(doc),
})

export const microTime = (doc?: string): Schema => ({
  type: 'string',
  format: 'micro-time',
  name: `${meta}.MicroTime`,
  ...about(doc),
})

/** An amount of a resource: 500m, 2Gi. */
export const quantity = (doc?: string): Schema => ({
  type: 'string',
  format: 'quantity',
  name: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  ...about(doc),
})

/** Without `merge` a strategic merge patch replaces the list as a whole. */
export const listOf = (items: Schema, doc?: string, merge?: ListMerge): Schema => ({
  type: 'list',
  items,
  ...about(doc),
  ...(merge === undefined ? {} : { merge }),
})

export const strings = (doc?: string, merge?: ListMerge): Schema => listOf(string(), doc, merge)
export const mapOf = (values: Schema, doc?: string): Schema => ({ type: 'map', values, ...about(doc) })
export const stringMap = (doc?: string): Schema => mapOf(string(), doc)
export const quantities = (doc?: string): Schema => mapOf(quantity(), doc)

/** A use of a named type, with what this use is for. */
export const use = (type: Schema, doc: string): Schema => ({ ...type, doc })

/** Defines the types of one API package: name, purpose, fields, and which of the fields OpenAPI requires. */
export function typesOf(apiPackage: string) {
  return (typeName: string, typeDoc: string, fields: Fields, required: readonly string[] = []): Schema => ({
    type: 'object',
    name: `${apiPackage}.${typeName}`,
    fields,
    ...(typeDoc === '' ? {} : { typeDoc }),
    ...(required.length > 0 ? { required } : {}),
  })
}

export const atomic = (type: Schema): Schema => (type.type === 'object' ? { ...type, atomic: true } : type)

export const core = typesOf('io.k8s.api.core.v1')
export const metaType = typesOf(meta)

function about(doc: string | undefined) {
  return doc === undefined ? {} : { doc }
}

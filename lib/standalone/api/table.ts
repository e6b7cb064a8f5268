// Objects as a meta.k8s.io Table, which is what kubectl asks for and prints as it comes: the server decides which
// columns a resource has (table-columns.ts), and how much of each object goes along with its row.

import { asFields, asString } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import { badRequest } from '../kinds/status.ts'
import { columnsOf, rowConditionsOf, type Cell, type Column } from './table-columns.ts'

export type IncludeObject = 'None' | 'Metadata' | 'Object'

export interface TableOptions {
  /** Of meta.k8s.io. */
  readonly version: 'v1' | 'v1beta1'
  readonly includeObject: IncludeObject
  /** False for all but the first event of a watch: a client has the columns by then. */
  readonly headers?: boolean
  /** Milliseconds since 1970, for the ages. */
  readonly now: number
}

export interface ListMetadata {
  readonly resourceVersion?: string
  readonly continue?: string
  readonly remainingItemCount?: number
}

export interface TableRow {
  readonly cells: readonly Cell[]
  readonly conditions?: readonly object[]
  readonly object: object | null
}

export interface Table {
  readonly kind: 'Table'
  readonly apiVersion: string
  readonly metadata: ListMetadata
  readonly columnDefinitions: readonly object[] | null
  readonly rows: readonly TableRow[]
}

/** How much of each object a request wants beside its cells: the query parameter `includeObject`. Throws a 400. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const text = query.get('includeObject') ?? ''
  if (text === '') return 'Metadata'
  if (text === 'None' || text === 'Metadata' || text === 'Object') return text
  const why = `must be 'Metadata', 'Object', 'None', or empty`
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(text)}: ${why}`,
  )
}

/** One object: a Table with one row and the object's resourceVersion. */
export function tableOfObject(type: ResourceType, object: KubeObject, options: TableOptions): Table {
  const resourceVersion = asString(asFields(object.metadata)['resourceVersion'])
  return tableOf(type, [object], resourceVersion === '' ? {} : { resourceVersion }, options)
}

/** A list's items, with the list's own metadata. */
export function tableOf(
  type: ResourceType,
  objects: readonly KubeObject[],
  metadata: ListMetadata,
  options: TableOptions,
): Table {
  const columns = columnsOf(type)
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata,
    columnDefinitions: options.headers === false ? null : columns.map(column => definitionOf(column)),
    rows: objects.map(object => rowOf(type, columns, object, options)),
  }
}

function rowOf(
  type: ResourceType,
  columns: readonly Column[],
  object: KubeObject,
  options: TableOptions,
): TableRow {
  // A resource that is a second form of another one prints like it.
  const printed = type.conversion?.toStored(object) ?? object
  const conditions = rowConditionsOf(type, printed)
  return {
    cells: columns.map(column => column.cell(printed, options.now)),
    ...(conditions.length === 0 ? {} : { conditions }),
    object: included(type, object, options),
  }
}

function included(type: ResourceType, object: KubeObject, options: TableOptions): object | null {
  const { includeObject, version } = options
  if (includeObject === 'None') return null
  if (includeObject === 'Object') return { kind: type.kind, apiVersion: apiVersionOf(type), ...object }
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata }
}

function definitionOf({ name, type, format, description, priority }: Column): object {
  return { name, type, format: format ?? '', description, priority: priority ?? 0 }
}

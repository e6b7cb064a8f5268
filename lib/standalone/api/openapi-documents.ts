// The OpenAPI documents, from the table of resources and their schemas: one of version 2 for everything, and one of
// version 3 for each group and version. Each is made once, when it is first asked for.

import { apiVersionOf, resourceTypes, type ResourceType } from '../kinds/resources.ts'
import { schemaOf } from '../kinds/schemas.ts'
import { listOf, typesOf, use } from '../kinds/schemas/notation.ts'
import { versionInfo } from './discovery.ts'
import { deleteOptions, listMeta, patchType, statusType } from './openapi-meta-types.ts'
import { operationsOf, patchMediaTypes, tagOf, type Operation } from './openapi-operations.ts'
import { createDefinitions, type Definitions, type OpenApiVersion } from './openapi-schemas.ts'
import type {
  BodyParameterV2,
  DocumentV2,
  DocumentV3,
  GroupVersionKind,
  JsonSchema,
  OperationV2,
  OperationV3,
} from './openapi-types.ts'

const info = { title: 'Kubernetes', version: versionInfo.gitVersion } as const
const gvkExtension = 'x-kubernetes-group-version-kind'
const produces: readonly string[] = ['application/json', 'application/yaml']

let documentV2: DocumentV2 | undefined
const documentsV3 = new Map<string, DocumentV3>()

/** The Swagger document of the whole API. */
export function openApiV2(): DocumentV2 {
  documentV2 ??= createV2()
  return documentV2
}

/** The document of one group and version ("v1", "discovery.k8s.io/v1"), where that is served. */
export function openApiV3(apiVersion: string): DocumentV3 | undefined {
  const types = resourceTypes.filter(type => apiVersionOf(type) === apiVersion)
  if (types.length === 0) return undefined
  const document = documentsV3.get(apiVersion) ?? createV3(types)
  documentsV3.set(apiVersion, document)
  return document
}

function createV2(): DocumentV2 {
  const { definitions, schemas } = describeTypes(2, resourceTypes)
  const paths: Record<string, Record<string, OperationV2>> = {}
  for (const type of resourceTypes) {
    for (const operation of operationsOf(type)) {
      const item = (paths[operation.path] ??= {})
      item[operation.method] = operationV2(type, operation, schemas(type))
    }
  }
  return { swagger: '2.0', info, paths, definitions: definitions.all() }
}

function createV3(types: readonly ResourceType[]): DocumentV3 {
  const { definitions, schemas } = describeTypes(3, types)
  const paths: Record<string, Record<string, OperationV3>> = {}
  for (const type of types) {
    for (const operation of operationsOf(type)) {
      const item = (paths[operation.path] ??= {})
      item[operation.method] = operationV3(type, operation, schemas(type))
    }
  }
  return { openapi: '3.0.0', info, paths, components: { schemas: definitions.all() } }
}

/** What a resource's requests and answers refer to. */
type RequestSchemas = Readonly<Record<'object' | 'list' | 'status' | 'patch' | 'delete-options', JsonSchema>>

function describeTypes(version: OpenApiVersion, types: readonly ResourceType[]) {
  const definitions = createDefinitions(version)
  const perType = new Map(types.map(type => [type, requestSchemas(definitions, type)]))
  const groupVersions = new Set(types.map(apiVersionOf))
  for (const [schema, kind] of [
    [deleteOptions, 'DeleteOptions'],
    [statusType, 'Status'],
  ] as const) {
    const served = kind === 'Status' ? ['v1'] : groupVersions
    definitions.extend(schema.name ?? '', {
      [gvkExtension]: [...served].map(apiVersion => ({ ...groupAndVersion(apiVersion), kind })),
    })
  }
  const schemas = (type: ResourceType): RequestSchemas => {
    const found = perType.get(type)
    if (!found) throw new Error(`${type.plural} are not described`)
    return found
  }
  return { definitions, schemas }
}

function requestSchemas(definitions: Definitions, type: ResourceType): RequestSchemas {
  const schema = schemaOf(type)
  const name = schema.name ?? ''
  const list = typesOf(name.slice(0, name.lastIndexOf('.')))(
    `${type.kind}List`,
    `A list of objects of kind ${type.kind}.`,
    {
      ...(schema.type === 'object' ? pick(schema.fields, ['apiVersion', 'kind']) : {}),
      items: listOf(schema, 'The objects.'),
      metadata: use(listMeta, 'The state that the list shows, and where it goes on.'),
    },
    ['items'],
  )
  const object = definitions.use(schema)
  const listReference = definitions.use(list)
  definitions.extend(name, { [gvkExtension]: [kindOf(type)] })
  definitions.extend(list.name ?? '', { [gvkExtension]: [{ ...kindOf(type), kind: `${type.kind}List` }] })
  return {
    object,
    list: listReference,
    status: definitions.use(statusType),
    patch: definitions.use(patchType),
    'delete-options': definitions.use(deleteOptions),
  }
}

function operationV2(type: ResourceType, operation: Operation, schemas: RequestSchemas): OperationV2 {
  const { body } = operation
  const bodyParameter: BodyParameterV2[] =
    body === undefined
      ? []
      : [
          {
            name: 'body',
            in: 'body',
            ...(body === 'delete-options' ? {} : { required: true }),
            schema: schemas[body],
          },
        ]
  return {
    tags: [tagOf(type)],
    description: operation.description,
    operationId: operation.id,
    consumes: body === 'patch' ? patchMediaTypes : ['*/*'],
    produces,
    parameters: [
      ...bodyParameter,
      ...operation.parameters.map(({ name, in: where, type: valueType, doc }) => ({
        name,
        in: where,
        description: doc,
        type: valueType,
        uniqueItems: true,
        ...(where === 'path' ? { required: true } : {}),
      })),
    ],
    responses: Object.fromEntries(
      operation.answers.map(([code, what]) => [
        code,
        { description: answerText(code), schema: schemas[what] },
      ]),
    ),
    'x-kubernetes-action': operation.action,
    [gvkExtension]: kindOf(type),
  }
}

function operationV3(type: ResourceType, operation: Operation, schemas: RequestSchemas): OperationV3 {
  const { body } = operation
  const content = (mediaTypes: readonly string[], schema: JsonSchema) =>
    Object.fromEntries(mediaTypes.map(mediaType => [mediaType, { schema }]))
  return {
    tags: [tagOf(type)],
    description: operation.description,
    operationId: operation.id,
    parameters: operation.parameters.map(({ name, in: where, type: valueType, doc }) => ({
      name,
      in: where,
      description: doc,
      ...(where === 'path' ? { required: true } : {}),
      schema: { type: valueType },
    })),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            ...(body === 'delete-options' ? {} : { required: true }),
            content: content(body === 'patch' ? patchMediaTypes : ['*/*'], schemas[body]),
          },
        }),
    responses: Object.fromEntries(
      operation.answers.map(([code, what]) => [
        code,
        { description: answerText(code), content: content(produces, schemas[what]) },
      ]),
    ),
    'x-kubernetes-action': operation.action,
    [gvkExtension]: kindOf(type),
  }
}

function kindOf({ group, version, kind }: ResourceType): GroupVersionKind {
  return { group, kind, version }
}

function groupAndVersion(apiVersion: string) {
  const [first = '', second] = apiVersion.split('/')
  return second === undefined ? { group: '', version: first } : { group: first, version: second }
}

function answerText(code: number): string {
  return code === 200 ? 'OK' : code === 201 ? 'Created' : 'Accepted'
}

function pick<T>(from: Readonly<Record<string, T>>, keys: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)))
}

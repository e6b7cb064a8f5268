// What can be done with each resource, as a list of operations that both versions of OpenAPI are written from. kubectl
// reads from them whether the server validates fields (fieldValidation) and can do dry runs (dryRun).

import { supportedVerbs } from './discovery.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import type { Method } from './openapi-types.ts'

export interface Operation {
  readonly path: string
  readonly method: Method
  /** "listCoreV1NamespacedService" */
  readonly id: string
  readonly description: string
  /** Kubernetes' word for the method: "list", "post", "deletecollection" … */
  readonly action: string
  readonly parameters: readonly Parameter[]
  readonly body?: 'object' | 'patch' | 'delete-options'
  readonly answers: readonly (readonly [code: number, what: 'object' | 'list' | 'status'])[]
}

export interface Parameter {
  readonly name: string
  readonly in: 'query' | 'path'
  readonly type: 'string' | 'integer' | 'boolean'
  readonly doc: string
}

export const patchMediaTypes: readonly string[] = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]

const query = (name: string, type: Parameter['type'], doc: string): Parameter => ({
  name,
  in: 'query',
  type,
  doc,
})

const pretty = query('pretty', 'string', 'If "true", the answer is indented.')
const dryRun = query('dryRun', 'string', '"All": nothing is stored, and the answer is what it would be.')
const writing = [
  pretty,
  dryRun,
  query('fieldManager', 'string', 'The name of the writer.'),
  query(
    'fieldValidation',
    'string',
    'What unknown and repeated fields do: Ignore, Warn (a warning, the default) or Strict (the request is refused).',
  ),
]
const forced = query('force', 'boolean', 'For server-side apply: takes fields over from other writers.')
const selecting = [
  query('fieldSelector', 'string', 'Only objects with these field values.'),
  query('labelSelector', 'string', 'Only objects with these labels.'),
]
const paging = [
  query('continue', 'string', 'The continue token of the page before this one.'),
  query('limit', 'integer', 'How many objects a page may have.'),
  query('resourceVersion', 'string', 'The state that is asked for.'),
  query('resourceVersionMatch', 'string', 'Whether that state must be NotOlderThan this version or Exact.'),
  query('sendInitialEvents', 'boolean', 'For a watch: begins with all objects there are.'),
  query('timeoutSeconds', 'integer', 'How long the request may take.'),
]
const listing = [
  pretty,
  query(
    'allowWatchBookmarks',
    'boolean',
    'For a watch: sends BOOKMARK events, which tell how far it has come.',
  ),
  ...selecting,
  ...paging,
  query('watch', 'boolean', 'Sends the changes from now on, instead of a list.'),
]
const deleting = [
  pretty,
  dryRun,
  query('gracePeriodSeconds', 'integer', 'How long the object may take to end.'),
  query('orphanDependents', 'boolean', 'The old form of propagationPolicy.'),
  query('propagationPolicy', 'string', 'What becomes of the objects that belong to this one.'),
]

const nameParameter: Parameter = { name: 'name', in: 'path', type: 'string', doc: "The object's name." }
const namespaceParameter: Parameter = { name: 'namespace', in: 'path', type: 'string', doc: 'The namespace.' }

/** "core_v1": what OpenAPI files the operations of a group under. */
export function tagOf({ group, version }: ResourceType): string {
  return `${shortGroup(group)}_${version}`
}

/** All operations of a resource. */
export function operationsOf(type: ResourceType): readonly Operation[] {
  const { namespaced, plural, kind } = type
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`
  const scope = namespaced ? [namespaceParameter] : []
  const collection = `${root}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}`
  const object = `${collection}/{name}`
  const groupVersion = `${capitalized(shortGroup(type.group))}${capitalized(type.version)}`
  const subject = `${namespaced ? 'Namespaced' : ''}${kind}`
  const id = (verb: string, what = subject) => `${verb}${groupVersion}${what}`

  const list: Operation[] = [
    {
      path: collection,
      method: 'get',
      id: id('list'),
      action: 'list',
      description: `Lists or watches objects of kind ${kind}.`,
      parameters: [...scope, ...listing],
      answers: [[200, 'list']],
    },
    ...(namespaced
      ? [
          {
            path: `${root}/${plural}`,
            method: 'get' as const,
            id: id('list', `${kind}ForAllNamespaces`),
            action: 'list',
            description: `Lists or watches objects of kind ${kind} in all namespaces.`,
            parameters: listing,
            answers: [[200, 'list'] as const],
          },
        ]
      : []),
  ]
  const write: Operation[] = [
    {
      path: collection,
      method: 'post',
      id: id('create'),
      action: 'post',
      description: `Creates a ${kind}.`,
      parameters: [...scope, ...writing],
      body: 'object',
      answers: [
        [200, 'object'],
        [201, 'object'],
        [202, 'object'],
      ],
    },
    {
      path: collection,
      method: 'delete',
      id: id('delete', `Collection${subject}`),
      action: 'deletecollection',
      description: `Deletes objects of kind ${kind}.`,
      parameters: [...scope, ...deleting, ...selecting, ...paging],
      body: 'delete-options',
      answers: [[200, 'status']],
    },
    {
      path: object,
      method: 'delete',
      id: id('delete'),
      action: 'delete',
      description: `Deletes a ${kind}.`,
      parameters: [...scope, nameParameter, ...deleting],
      body: 'delete-options',
      answers: [
        [200, 'status'],
        [202, 'status'],
      ],
    },
  ]
  const statusOperations = type.statusSubresource ? changes(`${object}/status`, 'Status') : []
  const verbs = new Set(supportedVerbs(type))
  return [...list, ...write, ...changes(object, ''), ...statusOperations].filter(operation =>
    verbs.has(verbOfAction.get(operation.action) ?? operation.action),
  )

  /** Reading and changing one object, or its status. */
  function changes(path: string, suffix: string): Operation[] {
    const what = suffix === '' ? `a ${kind}` : `the status of a ${kind}`
    const parameters = [...scope, nameParameter]
    return [
      {
        path,
        method: 'get',
        id: `${id('read')}${suffix}`,
        action: 'get',
        description: `Reads ${what}.`,
        parameters: [...parameters, pretty],
        answers: [[200, 'object']],
      },
      {
        path,
        method: 'put',
        id: `${id('replace')}${suffix}`,
        action: 'put',
        description: `Replaces ${what}.`,
        parameters: [...parameters, ...writing],
        body: 'object',
        answers: [
          [200, 'object'],
          [201, 'object'],
        ],
      },
      {
        path,
        method: 'patch',
        id: `${id('patch')}${suffix}`,
        action: 'patch',
        description: `Changes parts of ${what}.`,
        parameters: [...parameters, ...writing, forced],
        body: 'patch',
        answers: [
          [200, 'object'],
          [201, 'object'],
        ],
      },
    ]
  }
}

const verbOfAction: ReadonlyMap<string, string> = new Map([
  ['post', 'create'],
  ['put', 'update'],
])

function shortGroup(group: string): string {
  return group === '' ? 'core' : (group.split('.')[0] ?? group)
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

import * as client from '@kubernetes/client-node'
import { test } from 'tap'
import { conform, type Schema } from '../../../lib/model/schema.ts'
import { resourceOfKind, resourceTypes } from '../../../lib/standalone/kinds/resources.ts'
import { schemaOf } from '../../../lib/standalone/kinds/schemas.ts'

/** Every schema within a schema, with the way to it. */
function walk(schema: Schema, path: string, visit: (schema: Schema, path: string) => void): void {
  visit(schema, path)
  if (schema.type === 'list') walk(schema.items, `${path}[]`, visit)
  if (schema.type === 'map') walk(schema.values, `${path}{}`, visit)
  if (schema.type === 'object') {
    for (const [field, inner] of Object.entries(schema.fields)) walk(inner, `${path}.${field}`, visit)
  }
}

function messages(apiVersion: string, kind: string, fields: object): readonly string[] {
  const type = resourceOfKind(apiVersion, kind)
  if (!type) throw new Error(`no ${kind}`)
  return conform(schemaOf(type), { apiVersion, kind, ...fields }).problems.map(({ message }) => message)
}

void test('names mean one thing each, and merge keys are fields', async t => {
  const named = new Map<string, string>()
  for (const type of resourceTypes) {
    walk(schemaOf(type), type.kind, (schema, path) => {
      if (schema.type === 'object') {
        const missing = (schema.required ?? []).filter(field => !Object.hasOwn(schema.fields, field))
        if (missing.length > 0) t.fail(`${path} requires ${missing.join()}, which it doesn't have`)
        if (schema.name === undefined && !path.endsWith('.listening[]')) t.fail(`${path} has no name`)
      }
      if (schema.type === 'list' && schema.merge !== undefined && schema.merge !== 'set') {
        const { items, merge } = schema
        const keys = [merge.key, ...(merge.mapKeys ?? [])]
        if (items.type !== 'object' || !keys.every(key => Object.hasOwn(items.fields, key))) {
          t.fail(`${path} merges by ${keys.join()}, which its items don't have`)
        }
      }
      if (schema.name !== undefined) {
        const { doc: _, ...definition } = schema
        const text = JSON.stringify(definition)
        if ((named.get(schema.name) ?? text) !== text) t.fail(`${path}: ${schema.name} has two definitions`)
        named.set(schema.name, text)
      }
    })
  }
  t.ok(named.size > 150, `${named.size} named types`)
})

void test('every field of the kinds that people write has its documentation', async t => {
  for (const kind of ['Service', 'EndpointSlice', 'Endpoints', 'Namespace', 'Event', 'Node'] as const) {
    for (const type of resourceTypes.filter(candidate => candidate.kind === kind)) {
      const bare: string[] = []
      walk(schemaOf(type), '', (schema, path) => {
        const isField =
          /\.\w+$/.test(path) &&
          !/config|daemonEndpoints|runtimeHandlers|features|declaredFeatures/.test(path)
        if (isField && schema.doc === undefined) bare.push(path)
      })
      const rare = [
        '.status.nodeInfo.swap.capacity',
        '.status.volumesAttached[].devicePath',
        '.status.volumesAttached[].name',
      ]
      t.strictSame(
        bare.filter(path => !rare.includes(path)),
        [],
        kind,
      )
    }
  }
})

interface Model {
  getAttributeTypeMap?(): readonly {
    readonly baseName: string
    readonly type: string
    readonly format: string
  }[]
}

const models = new Map(Object.entries(client as unknown as Record<string, Model>))

void test('the fields are those that the generated client library has', async t => {
  const differences: string[] = []
  const seen = new Set<string>()
  const compare = (model: string, schema: Schema, path: string): void => {
    const fields = models.get(model)?.getAttributeTypeMap?.()
    if (!fields || schema.type !== 'object' || seen.has(model)) return
    seen.add(model)
    const wanted = fields.map(({ baseName }) => baseName)
    const own = path === 'Pod.status' ? ['listening'] : []
    t.strictSame(Object.keys(schema.fields).sort(), [...wanted, ...own].sort(), `${path}: ${model}`)
    for (const { baseName, type, format } of fields) {
      const inner = schema.fields[baseName]
      if (!inner) continue
      const items = inner.type === 'list' ? inner.items : inner.type === 'map' ? inner.values : inner
      const [, list, map] = /^Array<(.*)>$|^\{ \[key: string\]: (.*); \}$/.exec(type) ?? []
      const expected = typeNames.get(list ?? map ?? type) ?? 'object'
      const container = list === undefined ? (map === undefined ? '' : 'map of ') : 'list of '
      const ours = `${inner === items ? '' : `${inner.type} of `}${items.type}`
      if (ours !== `${container}${expected}`) differences.push(`${path}.${baseName} is ${ours}, not ${type}`)
      if (/^int(32|64)$/.test(format) && items.type === 'integer' && items.format !== format) {
        differences.push(`${path}.${baseName} is ${items.format ?? ''}, not ${format}`)
      }
      compare(list ?? map ?? type, items, `${path}.${baseName}`)
    }
  }
  const typeNames = new Map([
    ['string', 'string'],
    ['Date', 'string'],
    ['V1MicroTime', 'string'],
    ['number', 'integer'],
    ['boolean', 'boolean'],
    ['IntOrString', 'intOrString'],
    ['any', 'any'],
  ])
  for (const type of resourceTypes) {
    const prefix = type.kind === 'Event' ? (type.group === '' ? 'Core' : 'Events') : ''
    compare(`${prefix}V1${type.kind}`, schemaOf(type), type.kind)
  }
  t.strictSame(differences, [])
  t.ok(seen.size > 170, `${seen.size} types were compared`)
})

void test('misspelt fields are found at any depth', async t => {
  const cases: readonly (readonly [kind: string, fields: object, unknownField: string])[] = [
    ['Service', { spec: { types: 'NodePort' } }, 'spec.types, did you mean spec.type?'],
    [
      'Pod',
      { spec: { containers: [{ volumeMounts: [{ mountpath: '/a' }] }] } },
      'spec.containers[0].volumeMounts[0].mountpath, did you mean spec.containers[0].volumeMounts[0].mountPath?',
    ],
    [
      'Pod',
      { spec: { volumes: [{ projected: { sources: [{ configMap: { item: [] } }] } }] } },
      'spec.volumes[0].projected.sources[0].configMap.item, did you mean spec.volumes[0].projected.sources[0].configMap.items?',
    ],
    ['Pod', { spec: { affinity: { x: 1 } } }, 'spec.affinity.x'],
    ['Pod', { status: { conditions: [{ state: 'x' }] } }, 'status.conditions[0].state'],
    ['Node', { spec: { taints: [{ keys: 'a' }] } }, 'spec.taints[0].keys, did you mean spec.taints[0].key?'],
    ['Namespace', { spec: { x: 1 } }, 'spec.x'],
    ['Event', { involvedobject: {} }, 'involvedobject, did you mean involvedObject?'],
  ]
  for (const [kind, fields, unknownField] of cases) {
    t.strictSame(messages('v1', kind, fields), [`unknown field ${unknownField}`], unknownField)
  }
  t.strictSame(
    messages('v1', 'Pod', { status: { listening: [{ protocol: 'TCP', containerPort: 80, port: 8080 }] } }),
    [],
    'where the processes of sample pods listen',
  )
})

void test('values that do not fit their format are the wrong type', async t => {
  const cases: readonly (readonly [kind: string, fields: object, message: string | null])[] = [
    ['Service', { metadata: { creationTimestamp: '2026-01-31T12:00:00Z' } }, null],
    ['Service', { metadata: { creationTimestamp: null } }, null],
    [
      'Service',
      { metadata: { creationTimestamp: 'yesterday' } },
      'metadata.creationTimestamp must be a time like 2026-01-31T12:00:00Z, not "yesterday"',
    ],
    ['Event', { eventTime: '2026-01-31T12:00:00.123456Z' }, null],
    [
      'Event',
      { eventTime: '2026-01-31T12:00:00Z' },
      'eventTime must be a time like 2026-01-31T12:00:00.000000Z, not "2026-01-31T12:00:00Z"',
    ],
    ['Service', { spec: { ports: [{ port: 2_147_483_647 }] } }, null],
    [
      'Service',
      { spec: { ports: [{ port: 2_147_483_648 }] } },
      'spec.ports[0].port must be a 32-bit integer, not 2147483648',
    ],
    [
      'Service',
      { spec: { ports: [{ targetPort: 4_294_967_376 }] } },
      'spec.ports[0].targetPort must be a 32-bit integer or a string, not 4294967376',
    ],
    ['Pod', { spec: { terminationGracePeriodSeconds: 4_294_967_376 } }, null],
    ['Node', { status: { capacity: { cpu: 4, memory: '16Gi', pods: '1e3', x: '.5' } } }, null],
    [
      'Node',
      { status: { capacity: { cpu: '4 cores' } } },
      'status.capacity.cpu must be a quantity like 500m or 2Gi, not "4 cores"',
    ],
  ]
  for (const [kind, fields, message] of cases) {
    t.strictSame(messages('v1', kind, fields), message === null ? [] : [message], JSON.stringify(fields))
  }
})

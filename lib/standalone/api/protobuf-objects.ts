// The few objects that newer kubectls send as protobuf whatever a server says it takes (`create namespace`, `create
// service`): Namespace, Service and DeleteOptions, by the field numbers of their generated.proto. Everything else is
// taken as JSON or YAML only, and answers are never protobuf: a client that writes it also reads JSON.

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { reasonOf } from '../../model/error.ts'
import { asString } from '../../model/fields.ts'
import { badRequest } from '../kinds/status.ts'

export const protobufType = 'application/vnd.kubernetes.protobuf'

type Kind = 'string' | 'integer' | 'boolean' | 'time' | 'int-or-string' | 'map' | Message

interface Field {
  readonly name: string
  readonly kind: Kind
  readonly list?: true
  /** Only these may be zero, false or "": Go writes the others even where nobody set them. */
  readonly pointer?: true
}

type Message = ReadonlyMap<number, Field>

/** What every object in protobuf begins with; a runtime.Unknown with the object in it follows. */
const magic = Buffer.from('k8s\0')

const text = (name: string): Field => ({ name, kind: 'string' })
const texts = (name: string): Field => ({ name, kind: 'string', list: true })
const integer = (name: string): Field => ({ name, kind: 'integer' })
const pointer = (name: string, kind: Kind): Field => ({ name, kind, pointer: true })

const ownerReference: Message = new Map([
  [1, text('kind')],
  [3, text('name')],
  [4, text('uid')],
  [5, text('apiVersion')],
  [6, pointer('controller', 'boolean')],
  [7, pointer('blockOwnerDeletion', 'boolean')],
])

const objectMeta: Message = new Map([
  [1, text('name')],
  [2, text('generateName')],
  [3, text('namespace')],
  [5, text('uid')],
  [6, text('resourceVersion')],
  [7, integer('generation')],
  [8, { name: 'creationTimestamp', kind: 'time' }],
  [9, { name: 'deletionTimestamp', kind: 'time' }],
  [10, pointer('deletionGracePeriodSeconds', 'integer')],
  [11, { name: 'labels', kind: 'map' }],
  [12, { name: 'annotations', kind: 'map' }],
  [13, { name: 'ownerReferences', kind: ownerReference, list: true }],
  [14, texts('finalizers')],
])

const metadata: Field = { name: 'metadata', kind: objectMeta }

const namespace: Message = new Map([
  [1, metadata],
  [2, { name: 'spec', kind: new Map([[1, texts('finalizers')]]) }],
  [3, { name: 'status', kind: new Map([[1, text('phase')]]) }],
])

const servicePort: Message = new Map([
  [1, text('name')],
  [2, text('protocol')],
  [3, integer('port')],
  [4, { name: 'targetPort', kind: 'int-or-string' }],
  [5, integer('nodePort')],
  [6, pointer('appProtocol', 'string')],
])

const affinity: Message = new Map([
  [1, { name: 'clientIP', kind: new Map([[1, pointer('timeoutSeconds', 'integer')]]) }],
])

const serviceSpec: Message = new Map([
  [1, { name: 'ports', kind: servicePort, list: true }],
  [2, { name: 'selector', kind: 'map' }],
  [3, text('clusterIP')],
  [4, text('type')],
  [5, texts('externalIPs')],
  [7, text('sessionAffinity')],
  [8, text('loadBalancerIP')],
  [9, texts('loadBalancerSourceRanges')],
  [10, text('externalName')],
  [11, text('externalTrafficPolicy')],
  [12, integer('healthCheckNodePort')],
  [13, { name: 'publishNotReadyAddresses', kind: 'boolean' }],
  [14, { name: 'sessionAffinityConfig', kind: affinity }],
  [17, pointer('ipFamilyPolicy', 'string')],
  [18, texts('clusterIPs')],
  [19, texts('ipFamilies')],
  [20, pointer('allocateLoadBalancerNodePorts', 'boolean')],
  [21, pointer('loadBalancerClass', 'string')],
  [22, pointer('internalTrafficPolicy', 'string')],
  [23, pointer('trafficDistribution', 'string')],
])

const ingress: Message = new Map([
  [1, text('ip')],
  [2, text('hostname')],
  [3, pointer('ipMode', 'string')],
])

const balancer: Message = new Map([[1, { name: 'ingress', kind: ingress, list: true }]])

const service: Message = new Map([
  [1, metadata],
  [2, { name: 'spec', kind: serviceSpec }],
  [3, { name: 'status', kind: new Map([[1, { name: 'loadBalancer', kind: balancer }]]) }],
])

const preconditions: Message = new Map([
  [1, pointer('uid', 'string')],
  [2, pointer('resourceVersion', 'string')],
])

const deleteOptions: Message = new Map([
  [1, pointer('gracePeriodSeconds', 'integer')],
  [2, { name: 'preconditions', kind: preconditions }],
  [3, pointer('orphanDependents', 'boolean')],
  [4, pointer('propagationPolicy', 'string')],
  [5, texts('dryRun')],
])

const messages: ReadonlyMap<string, Message> = new Map([
  ['v1/Namespace', namespace],
  ['v1/Service', service],
  ['v1/DeleteOptions', deleteOptions],
  ['meta.k8s.io/v1/DeleteOptions', deleteOptions],
])

/** The object of a protobuf body; undefined for a kind that isn't taken as protobuf. Throws a 400. */
export function objectOfProtobuf(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  if (!magic.equals(body.subarray(0, magic.length))) {
    throw badRequest(`the body is no protobuf object: it doesn't begin with "k8s" and a zero byte`)
  }
  try {
    const { apiVersion, kind, raw } = readEnvelope(new BinaryReader(body.subarray(magic.length)))
    const message = messages.get(`${apiVersion}/${kind}`)
    return message && { apiVersion, kind, ...readMessage(new BinaryReader(raw), message) }
  } catch (error) {
    throw badRequest(`the body is no protobuf object: ${reasonOf(error)}`)
  }
}

/** runtime.Unknown: the object's type and its bytes. */
function readEnvelope(reader: BinaryReader) {
  let type: Readonly<Record<string, unknown>> = {}
  let raw: Uint8Array = new Uint8Array()
  const typeMeta: Message = new Map([
    [1, text('apiVersion')],
    [2, text('kind')],
  ])
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (number === 1) type = readMessage(new BinaryReader(reader.bytes()), typeMeta)
    else if (number === 2) raw = reader.bytes()
    else reader.skip(wireType, number)
  }
  return { apiVersion: asString(type['apiVersion']), kind: asString(type['kind']), raw }
}

function readMessage(reader: BinaryReader, message: Message): Readonly<Record<string, unknown>> {
  const values = new Map<Field, unknown[]>()
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    const field = message.get(number)
    if (!field) {
      reader.skip(wireType, number)
      continue
    }
    const value = readValue(reader, field, wireType)
    const before = values.get(field)
    if (before) before.push(value)
    else values.set(field, [value])
  }
  return Object.fromEntries(
    [...values]
      .map(([field, all]) => [field.name, valueOf(field, all)] as const)
      .filter(([, value]) => value !== undefined),
  )
}

/** A field's JSON value from all its occurrences; undefined where Go would leave it out. */
function valueOf({ kind, list, pointer: isPointer }: Field, all: readonly unknown[]): unknown {
  if (list) return all
  if (kind === 'map') return Object.fromEntries(all as readonly (readonly [string, string])[])
  const value = all.at(-1)
  return isPointer || (value !== '' && value !== 0 && value !== false) ? value : undefined
}

function readValue(reader: BinaryReader, { name, kind }: Field, wireType: WireType): unknown {
  const expected = kind === 'integer' || kind === 'boolean' ? WireType.Varint : WireType.LengthDelimited
  if (wireType !== expected) throw new Error(`field ${name} is encoded as another type`)
  switch (kind) {
    case 'string':
      return reader.string()
    case 'integer':
      return Number(reader.int64())
    case 'boolean':
      return reader.bool()
    case 'time':
      return readTime(readMessage(new BinaryReader(reader.bytes()), new Map([[1, integer('seconds')]])))
    case 'int-or-string':
      return readIntOrString(new BinaryReader(reader.bytes()))
    case 'map':
      return readMapEntry(new BinaryReader(reader.bytes()))
    default:
      return readMessage(new BinaryReader(reader.bytes()), kind)
  }
}

function readTime({ seconds }: Readonly<Record<string, unknown>>): string | undefined {
  return seconds === undefined
    ? undefined
    : new Date(Number(seconds) * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
}

function readIntOrString(reader: BinaryReader): number | string {
  const {
    type = 0,
    number = 0,
    name = '',
  } = readMessage(
    reader,
    new Map([
      [1, integer('type')],
      [2, integer('number')],
      [3, text('name')],
    ]),
  )
  return type === 0 ? Number(number) : String(name)
}

function readMapEntry(reader: BinaryReader): readonly [string, string] {
  const { key = '', value = '' } = readMessage(
    reader,
    new Map([
      [1, text('key')],
      [2, text('value')],
    ]),
  )
  return [String(key), String(value)]
}

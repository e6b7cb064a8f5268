// What each resource shows in a Table: its columns, and how an object's cells are printed. Columns, their order and
// the text of every cell are the real server's (kubernetes pkg/printers/internalversion), because people and scripts
// read them; the descriptions are our own. Columns of priority 1 are for `-o wide`. Cells are made of objects that
// anyone may have written, so each reads what it needs field by field.

import { formatAddress } from '../../model/address.ts'
import { asFields, asList, asNumber, asString, type Fields } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import {
  endpoints,
  endpointSlices,
  events,
  namespaces,
  nodes,
  pods,
  services,
  type ResourceType,
} from '../kinds/resources.ts'
import { ageOf } from './age.ts'
import {
  podAddress,
  podConditions,
  podReadiness,
  podReadinessGates,
  podRestarts,
  podStatus,
} from './pod-cells.ts'

export type Cell = string | number

export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer'
  readonly format?: 'name'
  readonly description: string
  /** 1 for a column that only a wide output shows. */
  readonly priority?: 1
  /** The cell of an object; `now` in milliseconds since 1970. */
  readonly cell: (object: KubeObject, now: number) => Cell
}

const none = '<none>'

/** How many ports or endpoints a cell lists before it only counts. */
const shownEntries = 3

const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'The name of the object, unique among those of its kind in its namespace.',
  cell: object => asString(metadataOf(object)['name']),
}

const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  description: 'How long ago the server created the object.',
  cell: (object, now) => ageOf(metadataOf(object)['creationTimestamp'], now),
}

const serviceColumns: readonly Column[] = [
  nameColumn,
  text('Type', 'How the Service is exposed: ClusterIP, NodePort, LoadBalancer or ExternalName.', service =>
    asString(specOf(service)['type']),
  ),
  text('Cluster-IP', 'The first address of the Service inside the cluster.', service => {
    const { clusterIPs, clusterIP } = specOf(service)
    return asString(asList(clusterIPs)[0]) || asString(clusterIP) || none
  }),
  text('External-IP', 'Where the Service is reached from outside the cluster.', service =>
    externalAddresses(service),
  ),
  text('Port(s)', 'The ports of the Service, with the NodePort of each that has one.', service =>
    orNone(asList(specOf(service)['ports']).map(port => servicePort(asFields(port)))),
  ),
  ageColumn,
  wide('Selector', 'The labels of the pods that traffic goes to.', service =>
    labelsText(specOf(service)['selector']),
  ),
]

const endpointSliceColumns: readonly Column[] = [
  nameColumn,
  text('AddressType', 'What the addresses of the slice are: IPv4, IPv6 or FQDN.', slice =>
    asString(slice['addressType']),
  ),
  text('Ports', 'The ports of every endpoint in the slice.', slice => {
    const ports = asList(slice['ports']).map(each => asFields(each))
    return listed(ports.map(({ port, name }) => (typeof port === 'number' ? `${port}` : asString(name, '*'))))
  }),
  text('Endpoints', 'The addresses of the endpoints in the slice.', slice =>
    listed(
      asList(slice['endpoints']).flatMap(endpoint =>
        asList(asFields(endpoint)['addresses']).map(address => asString(address)),
      ),
    ),
  ),
  ageColumn,
]

const endpointsColumns: readonly Column[] = [
  nameColumn,
  text('Endpoints', 'The ready addresses of the Service, with their ports.', object => {
    const subsets = asList(object['subsets'])
    return subsets.length === 0
      ? none
      : listed(
          subsets.flatMap(subset => subsetAddresses(subset)),
          '',
        )
  }),
  ageColumn,
]

const podColumns: readonly Column[] = [
  nameColumn,
  text('Ready', 'How many of the containers are ready.', pod => podReadiness(pod)),
  text('Status', 'What the pod is doing, or why it is not running.', pod => podStatus(pod)),
  text('Restarts', 'How often the containers were restarted, and how long ago the last time.', (pod, now) =>
    podRestarts(pod, now),
  ),
  ageColumn,
  wide('IP', 'The first address of the pod.', pod => podAddress(pod) || none),
  wide('Node', 'The node that the pod is on.', pod => asString(specOf(pod)['nodeName']) || none),
  wide(
    'Nominated Node',
    'The node that is being cleared for the pod.',
    pod => asString(statusOf(pod)['nominatedNodeName']) || none,
  ),
  wide('Readiness Gates', 'How many of the additional conditions for readiness hold.', pod =>
    podReadinessGates(pod),
  ),
]

const nodeColumns: readonly Column[] = [
  nameColumn,
  text('Status', 'Whether the node is ready, and whether pods may be scheduled on it.', node =>
    nodeStatus(node),
  ),
  text('Roles', 'What the labels of the node say that it is for.', node => nodeRoles(node)),
  ageColumn,
  text('Version', 'The version of the kubelet on the node.', node =>
    asString(nodeInfo(node)['kubeletVersion']),
  ),
  wide('Internal-IP', 'The first address of the node in its own network.', node =>
    nodeAddress(node, 'InternalIP'),
  ),
  wide('External-IP', 'The first address of the node for the outside.', node =>
    nodeAddress(node, 'ExternalIP'),
  ),
  wide('OS-Image', 'The operating system of the node.', node => orUnknown(nodeInfo(node)['osImage'])),
  wide('Kernel-Version', 'The kernel of the node.', node => orUnknown(nodeInfo(node)['kernelVersion'])),
  wide('Container-Runtime', 'What runs the containers of the node.', node =>
    orUnknown(nodeInfo(node)['containerRuntimeVersion']),
  ),
]

const namespaceColumns: readonly Column[] = [
  nameColumn,
  text('Status', 'Active, or Terminating while it is being deleted.', namespace =>
    asString(statusOf(namespace)['phase']),
  ),
  ageColumn,
]

const eventColumns: readonly Column[] = [
  text('Last Seen', 'How long ago it happened the last time.', (event, now) => lastSeen(event, now)),
  text('Type', 'Normal or Warning.', event => asString(event['type'])),
  text('Reason', 'The short, machine readable reason.', event => asString(event['reason'])),
  text('Object', 'The object that it is about.', event => {
    const { kind, name } = asFields(event['involvedObject'])
    const target = asString(kind).toLowerCase()
    return asString(name) === '' ? target : `${target}/${asString(name)}`
  }),
  wide('Subobject', 'The part of the object that it is about.', event =>
    asString(asFields(event['involvedObject'])['fieldPath']),
  ),
  wide('Source', 'Who reported it.', event => eventSource(event)),
  text('Message', 'What happened, for people.', event => asString(event['message']).trim()),
  wide('First Seen', 'How long ago it happened for the first time.', (event, now) => firstSeen(event, now)),
  {
    name: 'Count',
    // A number in a column of this type, as on the real server.
    type: 'string',
    description: 'How often it happened.',
    priority: 1,
    cell: event => eventCount(event),
  },
  { ...nameColumn, priority: 1 },
]

const columnsByType = new Map<ResourceType, readonly Column[]>([
  [services, serviceColumns],
  [endpointSlices, endpointSliceColumns],
  [endpoints, endpointsColumns],
  [pods, podColumns],
  [nodes, nodeColumns],
  [namespaces, namespaceColumns],
  [events, eventColumns],
])

/** A resource's columns; name and age for one that has none of its own. */
export function columnsOf(type: ResourceType): readonly Column[] {
  return columnsByType.get(type.conversion?.stored ?? type) ?? [nameColumn, ageColumn]
}

/** Conditions of the row itself, by which clients mark or hide what has finished. */
export function rowConditionsOf(type: ResourceType, object: KubeObject): readonly object[] {
  return type === pods ? podConditions(object) : []
}

function text(name: string, description: string, cell: Column['cell']): Column {
  return { name, type: 'string', description, cell }
}

function wide(name: string, description: string, cell: Column['cell']): Column {
  return { name, type: 'string', description, priority: 1, cell }
}

function metadataOf(object: KubeObject): Fields {
  return asFields(object.metadata)
}

function specOf(object: KubeObject): Fields {
  return asFields(object['spec'])
}

function statusOf(object: KubeObject): Fields {
  return asFields(object['status'])
}

function orNone(parts: readonly string[]): string {
  return parts.length === 0 ? none : parts.join(',')
}

function orUnknown(value: unknown): string {
  return asString(value) || '<unknown>'
}

/** The first few entries, and the number of the others. */
function listed(entries: readonly string[], empty = '<unset>'): string {
  const shown = entries.slice(0, shownEntries).join(',')
  return entries.length > shownEntries
    ? `${shown} + ${entries.length - shownEntries} more...`
    : shown || empty
}

function labelsText(labels: unknown): string {
  const pairs = Object.entries(asFields(labels)).map(([key, value]) => `${key}=${asString(value)}`)
  return orNone(pairs.sort())
}

function externalAddresses(service: KubeObject): string {
  const { type, externalIPs, externalName } = specOf(service)
  const external = asList(externalIPs).map(ip => asString(ip))
  switch (type) {
    case 'ClusterIP':
    case 'NodePort':
      return orNone(external)
    case 'LoadBalancer':
      return [...ingressAddresses(service), ...external].join(',') || '<pending>'
    case 'ExternalName':
      return asString(externalName)
    default:
      return '<unknown>'
  }
}

function ingressAddresses(service: KubeObject): readonly string[] {
  const { ingress } = asFields(statusOf(service)['loadBalancer'])
  const addresses = asList(ingress).map(each => {
    const { ip, hostname } = asFields(each)
    return asString(ip) || asString(hostname)
  })
  return [...new Set(addresses.filter(address => address !== ''))].sort()
}

function servicePort({ port, nodePort, protocol }: Fields): string {
  const node = asNumber(nodePort) > 0 ? `:${asNumber(nodePort)}` : ''
  return `${asNumber(port)}${node}/${asString(protocol)}`
}

function subsetAddresses(subset: unknown): readonly string[] {
  const { addresses, ports } = asFields(subset)
  const ips = asList(addresses).map(address => asString(asFields(address)['ip']))
  // A headless Service without ports has addresses alone.
  if (asList(ports).length === 0) return ips
  return asList(ports).flatMap(port => ips.map(ip => formatAddress(ip, asNumber(asFields(port)['port']))))
}

function nodeStatus(node: KubeObject): string {
  const ready = asList(statusOf(node)['conditions'])
    .map(condition => asFields(condition))
    .findLast(condition => condition['type'] === 'Ready')
  const health = ready ? (ready['status'] === 'True' ? 'Ready' : 'NotReady') : 'Unknown'
  return specOf(node)['unschedulable'] === true ? `${health},SchedulingDisabled` : health
}

function nodeRoles(node: KubeObject): string {
  const prefix = 'node-role.kubernetes.io/'
  const roles = Object.entries(asFields(metadataOf(node)['labels'])).map(([key, value]) => {
    if (key.startsWith(prefix)) return key.slice(prefix.length)
    return key === 'kubernetes.io/role' ? asString(value) : ''
  })
  return orNone([...new Set(roles.filter(role => role !== ''))].sort())
}

function nodeAddress(node: KubeObject, kind: string): string {
  const addresses = asList(statusOf(node)['addresses']).map(address => asFields(address))
  const found = addresses.find(address => address['type'] === kind)
  return found ? asString(found['address']) : none
}

function nodeInfo(node: KubeObject): Fields {
  return asFields(statusOf(node)['nodeInfo'])
}

function firstSeen(event: KubeObject, now: number): string {
  return ageOf(event['firstTimestamp'] ?? event['eventTime'], now)
}

function lastSeen(event: KubeObject, now: number): string {
  const { lastObservedTime } = asFields(event['series'])
  if (event['series']) return ageOf(lastObservedTime, now)
  return event['lastTimestamp'] ? ageOf(event['lastTimestamp'], now) : firstSeen(event, now)
}

function eventCount(event: KubeObject): number {
  if (event['series']) return asNumber(asFields(event['series'])['count'])
  // An event that is no series happened once, whether its author counts or not.
  return asNumber(event['count']) || 1
}

function eventSource(event: KubeObject): string {
  const { component, host } = asFields(event['source'])
  const reporter = asString(component) || asString(event['reportingComponent'])
  const instance = asString(host) || asString(event['reportingInstance'])
  return instance === '' ? reporter : `${reporter}, ${instance}`
}

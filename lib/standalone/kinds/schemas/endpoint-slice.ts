// The fields of an EndpointSlice.

import { kind, objectReference } from './metadata.ts'
import { atomic, boolean, int32, listOf, string, stringMap, strings, typesOf, use } from './notation.ts'

const discovery = typesOf('io.k8s.api.discovery.v1')

const endpointConditions = discovery('EndpointConditions', 'The state of one endpoint.', {
  ready: boolean(
    'Whether it should get new connections. Absent means yes. False for an endpoint that terminates.',
  ),
  serving: boolean('Like ready, but also true for an endpoint that terminates and still answers.'),
  terminating: boolean('Whether it is about to end. Absent means no.'),
})

const forZone = discovery(
  'ForZone',
  'A zone that an endpoint is for.',
  { name: string("The zone's name.") },
  ['name'],
)
const forNode = discovery(
  'ForNode',
  'A node that an endpoint is for.',
  { name: string("The node's name.") },
  ['name'],
)

const endpointHints = discovery('EndpointHints', 'Who should use an endpoint.', {
  forNodes: listOf(forNode, 'The nodes whose clients should use it; at most 8.'),
  forZones: listOf(forZone, 'The zones whose clients should use it; at most 8.'),
})

const endpoint = discovery(
  'Endpoint',
  'One backend of a Service.',
  {
    addresses: strings("Its addresses, of the slice's addressType: 1 to 100. Only the first one is used."),
    conditions: use(endpointConditions, 'The state it is in.'),
    deprecatedTopology: stringMap('A field of the beta API. It can be read, and writes to it are ignored.'),
    hints: use(endpointHints, 'Who should use it.'),
    hostname: string('Its host name in DNS, where it has one.'),
    nodeName: string('The node it is on, for traffic policies and hints.'),
    targetRef: use(objectReference, 'The object behind it: as a rule a Pod.'),
    zone: string('The zone it is in.'),
  },
  ['addresses'],
)

const endpointPort = atomic(
  discovery('EndpointPort', 'A port that all endpoints of a slice have.', {
    appProtocol: string('What is spoken on this port.'),
    name: string("The name of the Service's port that this port is for. Unique in the slice."),
    port: int32("The endpoints' port."),
    protocol: string('TCP (the default), UDP or SCTP.'),
  }),
)

export const endpointSliceSchema = kind(
  'io.k8s.api.discovery.v1',
  'EndpointSlice',
  'Some of the endpoints of a Service. Which one, its label kubernetes.io/service-name says.',
  {
    addressType: string('IPv4, IPv6 or FQDN. It can not be changed.'),
    endpoints: listOf(endpoint, 'The endpoints: at most 1000.'),
    ports: listOf(endpointPort, 'The ports that each of the endpoints has.'),
  },
  ['addressType', 'endpoints'],
)

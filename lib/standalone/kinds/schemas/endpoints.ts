// The fields of Endpoints, the API before EndpointSlices.

import { kind, objectReference } from './metadata.ts'
import { atomic, core, int32, listOf, string, use } from './notation.ts'

const endpointAddress = atomic(
  core(
    'EndpointAddress',
    'The address of one endpoint.',
    {
      hostname: string('Its host name in DNS, where it has one.'),
      ip: string('Its IP address: not a loopback or link-local one.'),
      nodeName: string('The node it is on.'),
      targetRef: use(objectReference, 'The object behind it: as a rule a Pod.'),
    },
    ['ip'],
  ),
)

const endpointPort = atomic(
  core(
    'EndpointPort',
    'One port of endpoints.',
    {
      appProtocol: string('What is spoken on this port.'),
      name: string("The name of the Service's port that this port is for."),
      port: int32("The endpoints' port."),
      protocol: string('TCP (the default), UDP or SCTP.'),
    },
    ['port'],
  ),
)

const endpointSubset = core('EndpointSubset', 'Endpoints that have the same ports.', {
  addresses: listOf(endpointAddress, 'Those that get connections.'),
  notReadyAddresses: listOf(endpointAddress, 'Those that are not ready to get any.'),
  ports: listOf(endpointPort, 'The ports that each of them has.'),
})

export const endpointsSchema = kind(
  'io.k8s.api.core.v1',
  'Endpoints',
  'All endpoints of the Service of the same name. Derived from its EndpointSlices, and only to be read.',
  { subsets: listOf(endpointSubset, 'The endpoints: the union of all subsets.') },
)

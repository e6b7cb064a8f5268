// The fields of a Service.

import { condition, kind } from './metadata.ts'
import { boolean, core, int32, intOrString, listOf, string, stringMap, strings, use } from './notation.ts'

const servicePort = core(
  'ServicePort',
  'One port of a Service.',
  {
    appProtocol: string(
      'What is spoken on this port: a name of IANA\'s list, "kubernetes.io/h2c", or "my.org/own".',
    ),
    name: string('The name of the port, unique in the Service. Needed where there are several ports.'),
    nodePort: int32(
      'The port on every node, for types NodePort and LoadBalancer. Chosen by the server if absent.',
    ),
    port: int32('The port that clients connect to.'),
    protocol: string('TCP (the default), UDP or SCTP.'),
    targetPort: intOrString(
      "The pods' port: a number, or the name of a container port. Default: the same as port.",
    ),
  },
  ['port'],
)

const clientIPConfig = core('ClientIPConfig', 'Settings of affinity by client address.', {
  timeoutSeconds: int32('How long a client stays with its endpoint: 1 to 86400 seconds, 10800 by default.'),
})

const sessionAffinityConfig = core('SessionAffinityConfig', 'Settings of session affinity.', {
  clientIP: use(clientIPConfig, 'For sessionAffinity ClientIP.'),
})

const serviceSpec = core('ServiceSpec', 'What a Service is to be.', {
  allocateLoadBalancerNodePorts: boolean(
    'For type LoadBalancer: whether ports get a nodePort without asking for one. True by default.',
  ),
  clusterIP: string(
    'The address that clients connect to: given, chosen by the server if absent, or "None" for a headless Service.',
  ),
  clusterIPs: strings('One address for each of ipFamilies; the first one is clusterIP.'),
  externalIPs: strings(
    'More addresses at which the Service is reached. Traffic to them must arrive at a node.',
  ),
  externalName: string('For type ExternalName: the name that DNS answers with.'),
  externalTrafficPolicy: string(
    'Who gets traffic from outside: Cluster (any endpoint) or Local (only those of the node that it reached).',
  ),
  healthCheckNodePort: int32(
    'For LoadBalancer with policy Local: the port of each node that tells whether it has endpoints.',
  ),
  internalTrafficPolicy: string(
    "Who gets traffic to the clusterIPs: Cluster (any endpoint) or Local (only those of the client's node).",
  ),
  ipFamilies: strings('IPv4, IPv6 or both, in order of preference.'),
  ipFamilyPolicy: string('SingleStack, PreferDualStack or RequireDualStack.'),
  loadBalancerClass: string(
    'Which implementation of load balancers is to serve this Service. Absent: the default one.',
  ),
  loadBalancerIP: string(
    'Asks for this address of a load balancer. Deprecated: not every implementation heeds it.',
  ),
  loadBalancerSourceRanges: strings("The clients' CIDRs that a load balancer lets in. Absent: everyone."),
  ports: listOf(servicePort, 'The ports of the Service.', { key: 'port', mapKeys: ['port', 'protocol'] }),
  publishNotReadyAddresses: boolean('Whether pods that are not ready are published as if they were.'),
  selector: stringMap(
    'The labels of the pods behind the Service. Absent: its endpoints are managed by someone else.',
  ),
  sessionAffinity: string('None, or ClientIP: all connections of a client go to one endpoint.'),
  sessionAffinityConfig: use(sessionAffinityConfig, 'Settings of session affinity.'),
  trafficDistribution: string(
    'Which endpoints are preferred: PreferSameZone (PreferClose is its old name) or PreferSameNode.',
  ),
  type: string('ClusterIP (the default), NodePort, LoadBalancer or ExternalName.'),
})

const portStatus = core(
  'PortStatus',
  'How one port of a load balancer fares.',
  {
    error: string('What is wrong, as one CamelCase word, or domain/word where it is no word of Kubernetes.'),
    port: int32('The port.'),
    protocol: string('TCP, UDP or SCTP.'),
  },
  ['port', 'protocol'],
)

const loadBalancerIngress = core('LoadBalancerIngress', 'One way in through a load balancer.', {
  hostname: string('Its name, where it has a name rather than an address.'),
  ip: string('Its address.'),
  ipMode: string('VIP (traffic reaches nodes with this address as its destination) or Proxy.'),
  ports: listOf(portStatus, 'How its ports fare.'),
})

const loadBalancerStatus = core('LoadBalancerStatus', 'The state of a load balancer.', {
  ingress: listOf(loadBalancerIngress, 'The ways in. Empty as long as there is no load balancer.'),
})

const serviceStatus = core('ServiceStatus', 'What a Service is now.', {
  conditions: listOf(condition, 'Its conditions.', { key: 'type' }),
  loadBalancer: use(loadBalancerStatus, 'The state of its load balancer.'),
})

export const serviceSchema = kind(
  'io.k8s.api.core.v1',
  'Service',
  'A name and an address for a set of pods, between which it divides its connections.',
  {
    spec: use(serviceSpec, 'What the Service is to be.'),
    status: use(serviceStatus, 'What the Service is now. Written by the system.'),
  },
)

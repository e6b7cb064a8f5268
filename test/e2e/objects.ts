// Builders for the objects that the tests create: the usual shape, with overrides.

import { podPort, type Pod } from './pods.ts'

export interface ServiceOptions {
  readonly name: string
  readonly namespace?: string
  readonly type?: 'ClusterIP' | 'NodePort'
  readonly clusterIP?: string
  readonly nodePort?: number
  /** Also the name of the port, in lower case. */
  readonly protocols?: readonly ('TCP' | 'UDP')[]
}

/** A Service on port 80 (TCP) and, if asked, 53 (UDP), without a selector: its EndpointSlices are written by hand. */
export function service(options: ServiceOptions): object {
  const {
    name,
    namespace = 'default',
    type = 'ClusterIP',
    clusterIP,
    nodePort,
    protocols = ['TCP'],
  } = options
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      type,
      ...(clusterIP === undefined ? {} : { clusterIP }),
      ports: protocols.map(protocol => ({
        name: protocol.toLowerCase(),
        protocol,
        port: protocol === 'TCP' ? 80 : 53,
        targetPort: podPort,
        ...(nodePort === undefined ? {} : { nodePort }),
      })),
    },
  }
}

export interface EndpointSliceOptions {
  readonly service: string
  readonly namespace?: string
  /** Default: the service's name with "-1". */
  readonly name?: string
  readonly pods: readonly Pick<Pod, 'name' | 'address'>[]
  readonly protocols?: readonly ('TCP' | 'UDP')[]
}

/** An EndpointSlice with these pods, all ready, as the endpoint slice controller would write it. */
export function endpointSlice(options: EndpointSliceOptions): object {
  const { namespace = 'default', pods, protocols = ['TCP'] } = options
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: options.name ?? `${options.service}-1`,
      namespace,
      labels: { 'kubernetes.io/service-name': options.service },
    },
    addressType: 'IPv4',
    endpoints: pods.map(pod => ({
      addresses: [pod.address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-1',
      targetRef: { kind: 'Pod', namespace, name: pod.name },
    })),
    ports: protocols.map(protocol => ({ name: protocol.toLowerCase(), protocol, port: podPort })),
  }
}

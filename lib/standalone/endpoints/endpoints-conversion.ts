// Endpoints, the API before EndpointSlices, as slices: one for each subset and IP family. The real control plane does
// the same in its endpointslicemirroring controller.

import { canonicalIp } from '../../model/address.ts'
import type { KubeObject } from '../../model/objects.ts'
import type { Endpoint, EndpointAddress, Endpoints, EndpointSlice } from '../kinds/api-types.ts'
import { managedByLabel, serviceNameLabel } from './endpoint-slices.ts'

/** The slices of an Endpoints object that its schema has checked. Malformed addresses are kept, for validation. */
export function slicesFromEndpoints(endpoints: KubeObject): readonly EndpointSlice[] {
  const { name = '', namespace = '', labels } = endpoints.metadata
  const subsets = (endpoints as Endpoints).subsets ?? []
  const slices: EndpointSlice[] = []
  subsets.forEach((subset, i) => {
    const all = [...endpointsOf(subset.addresses, true), ...endpointsOf(subset.notReadyAddresses, false)]
    for (const [addressType, members] of Map.groupBy(all, familyOfEndpoint)) {
      slices.push({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          name: `${name}-${i}-${addressType.toLowerCase()}`,
          namespace,
          labels: {
            ...labels,
            [serviceNameLabel]: name,
            [managedByLabel]: 'endpointslicemirroring-controller.k8s.io',
          },
        },
        addressType,
        endpoints: members,
        ports: subset.ports ?? [],
      })
    }
  })
  return slices
}

function endpointsOf(addresses: readonly EndpointAddress[] | undefined, ready: boolean): readonly Endpoint[] {
  return (addresses ?? []).map(({ ip = '', hostname, nodeName, targetRef }) => ({
    addresses: [ip],
    conditions: { ready },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  }))
}

function familyOfEndpoint({ addresses }: Endpoint): 'IPv4' | 'IPv6' {
  return canonicalIp(addresses?.[0])?.includes(':') ? 'IPv6' : 'IPv4'
}

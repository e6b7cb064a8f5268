// What an agent lists and watches. Only what a proxy serves is asked for: neither headless Services nor those that
// another proxy has (KEP-2447).

import type { WatchedResource } from './kube/resource.ts'
import { headlessLabel, serviceProxyNameLabel } from './model/service.ts'

const proxied = `!${headlessLabel},!${serviceProxyNameLabel}`

export const services: WatchedResource = {
  group: '',
  version: 'v1',
  plural: 'services',
  kind: 'Service',
  labelSelector: proxied,
  fieldSelector: 'spec.clusterIP!=None',
}

export const endpointSlices: WatchedResource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
  labelSelector: proxied,
}

/** All nodes: their addresses must not be made local to another one. */
export const allNodes: WatchedResource = { group: '', version: 'v1', plural: 'nodes', kind: 'Node' }

/** This node alone; a server without the field selector sends every node. */
export function ownNode(name: string): WatchedResource {
  return { ...allNodes, fieldSelector: `metadata.name=${name}` }
}

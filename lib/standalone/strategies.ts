// Which strategy writes which kind.

import { endpointSliceStrategy } from './kinds/endpoint-slice-strategy.ts'
import { namespaceStrategy } from './kinds/namespace-strategy.ts'
import { podStrategy } from './kinds/pod-strategy.ts'
import { endpointSlices, namespaces, pods, services, type ResourceType } from './kinds/resources.ts'
import type { Strategy } from './kinds/strategy.ts'
import type { ServiceAllocation } from './services/service-allocation.ts'
import { serviceStrategy } from './services/service-strategy.ts'

const plain: Strategy = { prepare: object => object }

export function strategiesFor(allocation: ServiceAllocation): (type: ResourceType) => Strategy {
  const strategies = new Map<ResourceType, Strategy>([
    [services, serviceStrategy(allocation)],
    [endpointSlices, endpointSliceStrategy],
    [pods, podStrategy],
    [namespaces, namespaceStrategy],
  ])
  return type => strategies.get(type) ?? plain
}

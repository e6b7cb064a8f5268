// Which strategy writes which kind.

import { endpointSliceStrategy } from './kinds/endpoint-slice-strategy.ts'
import { eventStrategy, eventV1Strategy } from './kinds/event-strategy.ts'
import { namespaceStrategy } from './kinds/namespace-strategy.ts'
import { nodeStrategy } from './kinds/node-strategy.ts'
import { podStrategy, type RunningPods } from './kinds/pod-strategy.ts'
import {
  endpointSlices,
  events,
  eventsV1,
  namespaces,
  nodes,
  pods,
  services,
  type ResourceType,
} from './kinds/resources.ts'
import type { Strategy } from './kinds/strategy.ts'
import type { ServiceAllocation } from './services/service-allocation.ts'
import { serviceStrategy } from './services/service-strategy.ts'

const plain: Strategy = { prepare: object => object }

export function strategiesFor(
  allocation: ServiceAllocation,
  runningPods: RunningPods,
): (type: ResourceType) => Strategy {
  const strategies = new Map<ResourceType, Strategy>([
    [services, serviceStrategy(allocation)],
    [endpointSlices, endpointSliceStrategy],
    [pods, podStrategy(runningPods)],
    [nodes, nodeStrategy],
    [namespaces, namespaceStrategy],
    [events, eventStrategy],
    [eventsV1, eventV1Strategy],
  ])
  return type => strategies.get(type) ?? plain
}

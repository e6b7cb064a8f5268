// A Pod's quality of service class, which follows from the CPU and memory that its containers ask for (kubernetes
// pkg/apis/core/v1/helper/qos).

import type { PodSpec, ResourceList } from './pod-spec.ts'
import { amountOf } from '../../model/quantity.ts'

const counted = ['cpu', 'memory'] as const

export function qosClassOf({ containers = [], initContainers = [] }: PodSpec): string {
  const requests = new Map<string, number>()
  const limits = new Map<string, number>()
  let allLimited = true
  for (const { resources = {} } of [...initContainers, ...containers]) {
    add(requests, resources.requests)
    const limited = add(limits, resources.limits)
    if (limited < counted.length) allLimited = false
  }
  if (requests.size === 0 && limits.size === 0) return 'BestEffort'
  const equal =
    requests.size === limits.size && [...requests].every(([name, amount]) => limits.get(name) === amount)
  return allLimited && equal ? 'Guaranteed' : 'Burstable'
}

/** Adds what a container asks for; how many of the counted resources that was. */
function add(sums: Map<string, number>, list: ResourceList = {}): number {
  let found = 0
  for (const name of counted) {
    const amount = Object.hasOwn(list, name) ? (amountOf(list[name] ?? 0) ?? 0) : 0
    if (amount <= 0) continue
    found++
    sums.set(name, (sums.get(name) ?? 0) + amount)
  }
  return found
}

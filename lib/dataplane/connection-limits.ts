// How many TCP connections each Service may have at a time, over all its ports and frontends. At the limit the
// Service's listeners are paused: further clients wait in the kernel's backlog until a connection has ended.

import type { ServicePort } from '../model/proxy-table.ts'

/** "namespace/name" */
export type ServiceName = string

export function serviceName({ namespace, name }: ServicePort): ServiceName {
  return `${namespace}/${name}`
}

interface Usage {
  active: number
  limit: number | null
}

export class ConnectionLimits {
  readonly #usage = new Map<ServiceName, Usage>()
  readonly #onChange: (service: ServiceName) => void

  /** `onChange` is told each Service that has reached its limit, or has room again. */
  constructor(onChange: (service: ServiceName) => void) {
    this.#onChange = onChange
  }

  isFull(service: ServiceName): boolean {
    const usage = this.#usage.get(service)
    return usage !== undefined && isFull(usage)
  }

  /** null: no limit, or no such Service any more. Connections that are open count whatever the limit was for them. */
  setLimit(service: ServiceName, limit: number | null): void {
    this.#change(service, usage => (usage.limit = limit))
  }

  take(service: ServiceName): void {
    this.#change(service, usage => usage.active++)
  }

  giveBack(service: ServiceName): void {
    this.#change(service, usage => usage.active--)
  }

  #change(service: ServiceName, change: (usage: Usage) => void): void {
    const usage = this.#usage.get(service) ?? { active: 0, limit: null }
    const wasFull = isFull(usage)
    change(usage)
    if (usage.active > 0 || usage.limit !== null) this.#usage.set(service, usage)
    else this.#usage.delete(service)
    if (isFull(usage) !== wasFull) this.#onChange(service)
  }
}

function isFull({ active, limit }: Usage): boolean {
  return limit !== null && active >= limit
}

// What a data plane says of a service port. The last answer is given again, the very same object, for as long as nothing
// has changed: with 10,000 service ports most are as they were, and whoever compares two answers sees that at a glance.

import type { FrontendStatus, ServicePortStatus } from './data-plane.ts'
import type { FrontendState, ListenState } from './frontend-state.ts'
import { addressOfKey, type OwnFrontend } from './own-frontends.ts'
import { failureReasons, type ServiceState } from './service-state.ts'

/** Bytes of connections that are open, which no counter has yet. */
export interface OpenBytes {
  readonly in: number
  readonly out: number
}

interface Answer {
  /** What the service port had then. */
  readonly own: readonly OwnFrontend[]
  readonly status: ServicePortStatus
}

const nothingOpen: OpenBytes = { in: 0, out: 0 }

export class ServiceStatuses {
  readonly #last = new Map<ServiceState, Answer>()
  readonly #frontends: ReadonlyMap<string, FrontendState>

  /** `frontends`: those of the data plane, by key. */
  constructor(frontends: ReadonlyMap<string, FrontendState>) {
    this.#frontends = frontends
  }

  of(service: ServiceState, open: OpenBytes = nothingOpen): ServicePortStatus {
    const setAside = service.setAside()
    const last = this.#last.get(service)
    if (last !== undefined && this.#holds(last, service, setAside, open)) return last.status
    const { counters, port, frontends: own } = service
    const status: ServicePortStatus = {
      key: port.key,
      frontends: own.map(({ key }) => ({ address: addressOfKey(key), ...describe(this.#stateOf(key)) })),
      setAside,
      connections: {
        ...counters,
        failures: { ...counters.failures },
        bytesIn: counters.bytesIn + open.in,
        bytesOut: counters.bytesOut + open.out,
      },
    }
    this.#last.set(service, { own, status })
    return status
  }

  forget(service: ServiceState): void {
    this.#last.delete(service)
  }

  clear(): void {
    this.#last.clear()
  }

  /** Nothing is made here: this is what most service ports cost, each time. */
  #holds(
    { own, status: { connections, frontends, setAside: lastAside } }: Answer,
    { counters, frontends: ownNow }: ServiceState,
    setAside: readonly string[],
    open: OpenBytes,
  ): boolean {
    if (
      own !== ownNow ||
      connections.active !== counters.active ||
      connections.total !== counters.total ||
      connections.bytesIn !== counters.bytesIn + open.in ||
      connections.bytesOut !== counters.bytesOut + open.out ||
      connections.dialRetries !== counters.dialRetries ||
      connections.dialFailures !== counters.dialFailures ||
      setAside.length !== lastAside.length
    ) {
      return false
    }
    // Those that aren't dial failures grow without any of the above.
    for (const reason of failureReasons) {
      if (connections.failures[reason] !== counters.failures[reason]) return false
    }
    for (let index = 0; index < setAside.length; index++) {
      if (setAside[index] !== lastAside[index]) return false
    }
    for (let index = 0; index < own.length; index++) {
      const now = this.#stateOf(own[index]?.key ?? '')
      const then = frontends[index]
      if (now.name !== then?.state || reasonOf(now) !== then.reason) return false
    }
    return true
  }

  #stateOf(key: string): ListenState {
    return this.#frontends.get(key)?.state ?? refusing
  }
}

const refusing: ListenState = { name: 'refusing' }

function describe(state: ListenState): Pick<FrontendStatus, 'state' | 'reason'> {
  const reason = reasonOf(state)
  return reason === undefined ? { state: state.name } : { state: state.name, reason }
}

function reasonOf(state: ListenState): string | undefined {
  return state.name === 'bind-failed' ? state.reason : undefined
}

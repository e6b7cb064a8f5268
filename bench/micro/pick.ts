// What the choice of an endpoint costs a connection, as the data plane makes it: each policy, and session affinity for a
// client that is known and for one that isn't, with few and with many endpoints.

import { ServiceState } from '../../lib/dataplane/service-state.ts'
import { balancePolicies } from '../../lib/model/proxy-settings.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import type { Fixture, MicroBenchmark } from './measure.ts'
import { servicePort } from './service-ports.ts'
import type { MicroSizes } from './sizes.ts'

/** In one call: what the call itself takes is then little beside them. */
const picks = 256

/** Who is set aside stays so. */
const passiveHealth = { failures: 3, firstMs: 3_600_000, longestMs: 3_600_000 }

export function pick({ pickFrom, clients }: MicroSizes): readonly MicroBenchmark[] {
  return pickFrom.flatMap(endpoints => [
    ...balancePolicies.map((balance): MicroBenchmark => ({
      name: `pick ${balance}, ${endpoints} endpoints`,
      make: () => {
        const state = newState(servicePort(0, { endpoints, balance }))
        return picksOf(() => state.pick('cluster', '192.0.2.1'))
      },
    })),
    {
      name: `pick round-robin, ${endpoints} endpoints, one set aside`,
      make: () => {
        const state = newState(servicePort(0, { endpoints }))
        const dead = state.pick('cluster', '192.0.2.1')
        if (dead === null) throw new TypeError('no endpoint to set aside')
        for (let failures = 0; failures < passiveHealth.failures; failures++) state.failed(dead)
        if (state.setAside().length !== 1) throw new TypeError('no endpoint is set aside')
        return picksOf(() => state.pick('cluster', '192.0.2.1'))
      },
    },
    {
      name: `pick with affinity, ${endpoints} endpoints, a known client of ${clients}`,
      make: () => {
        const state = newState(servicePort(0, { endpoints, affinityTimeoutSeconds: 10_800 }))
        const known = Array.from({ length: clients }, (_, number) => clientIp(number))
        for (const client of known) state.pick('cluster', client)
        let next = 0
        return picksOf(() => state.pick('cluster', known[next++ % clients] ?? ''))
      },
    },
    {
      name: `pick with affinity, ${endpoints} endpoints, a new client`,
      make: () => {
        const state = newState(servicePort(0, { endpoints, affinityTimeoutSeconds: 10_800 }))
        let next = 0
        return picksOf(() => state.pick('cluster', clientIp(next++)))
      },
    },
  ])
}

function picksOf(pickOne: () => unknown): Fixture {
  return {
    operations: picks,
    call: () => {
      let last: unknown
      for (let done = 0; done < picks; done++) last = pickOne()
      if (last === null) throw new TypeError('no endpoint to pick')
      return last
    },
  }
}

function newState(port: ServicePort): ServiceState {
  return new ServiceState(port, {
    clock: { now: () => performance.now(), after: () => ({ cancel: () => {} }) },
    random: Math.random,
    passiveHealth,
  })
}

function clientIp(number: number): string {
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
}

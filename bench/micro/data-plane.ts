// What a data plane does with an update, without the sockets: a table into an empty one, a change of one Service among
// many. Its engine opens nothing.

import type { Engine, TcpListener } from '../../lib/dataplane/engine.ts'
import { LocalDataPlane } from '../../lib/dataplane/local-data-plane.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'
import type { MicroBenchmark } from './measure.ts'
import { servicePort } from './service-ports.ts'
import type { MicroSizes } from './sizes.ts'

export function dataPlane({ services, endpointsPerService }: MicroSizes): readonly MicroBenchmark[] {
  const numbers = Array.from({ length: services }, (_, number) => number)
  const ports = numbers.map(number => servicePort(number, { endpoints: endpointsPerService }))
  const changed = numbers.map(number =>
    servicePort(number, { endpoints: endpointsPerService, extraEndpoint: '192.0.2.1:8080' }),
  )
  const size = `${services} Services with ${endpointsPerService} endpoints`
  return [
    {
      name: `apply a whole table, ${size}`,
      make: () => {
        let plane = newPlane()
        return {
          reset: () => {
            void plane.close()
            plane = newPlane()
          },
          call: { awaited: () => applyAll(plane, ports) },
          close: () => plane.close(),
        }
      },
    },
    {
      name: `apply a change of one Service, ${size}`,
      make: async () => {
        const plane = newPlane()
        await applyAll(plane, ports)
        let next = 0
        return {
          call: {
            awaited: () => {
              const from = Math.floor(next / services) % 2 === 0 ? changed : ports
              const port = from[next % services] as ServicePort
              return plane.apply({
                type: 'delta',
                generation: ++next + 1,
                localSources: [],
                changed: [port],
                removed: [],
              })
            },
          },
          close: () => plane.close(),
        }
      },
    },
  ]
}

function applyAll(plane: LocalDataPlane, servicePorts: readonly ServicePort[]): Promise<void> {
  return plane.apply({ type: 'snapshot', generation: 1, localSources: [], servicePorts })
}

function newPlane(): LocalDataPlane {
  return new LocalDataPlane({
    engine: socketless,
    clock: systemClock,
    log: silentLog,
    random: Math.random,
    passiveHealth: { failures: 3, firstMs: 5000, longestMs: 60_000 },
    halfClosedTimeoutMs: 3_600_000,
    earlyRetry: true,
    maxConnectionsPerClient: null,
    udp: { idleMs: 30_000, streamIdleMs: 180_000, maxFlows: 10_000 },
    // As many as the table needs, whatever this process may open.
    descriptorLimit: 1_000_000,
  })
}

/** Listens nowhere, and is asked for nothing else. */
const socketless: Engine = {
  name: 'none',
  vipNetwork: () => null,
  listenTcp: at =>
    Promise.resolve<TcpListener>({ address: at, pause: () => 'held', resume: () => {}, close: () => {} }),
  dialTcp: noTraffic,
  relay: noTraffic,
  localAddress: noTraffic,
  reset: noTraffic,
  bindUdp: noTraffic,
  openUdp: noTraffic,
  connectUdp: noTraffic,
}

function noTraffic(): never {
  throw new TypeError('no connection and no datagram comes here')
}

// The API server of the scenarios about an agent: the embedded control plane in a process of its own, filled with a
// cluster, whose endpoints are changed one at a time.

import { silentLog } from '../../lib/ops/log.ts'
import { startControlPlane, type ControlPlane } from '../../lib/standalone/control-plane.ts'
import type { PartCalls } from '../load/part-process.ts'
import { monotonicUs } from './monotonic.ts'
import {
  probedServices,
  serviceCidr,
  serviceObject,
  sliceObject,
  type ClusterSize,
} from './synthetic-cluster.ts'

export interface EndpointChange {
  readonly service: number
  /** Which of the live endpoints it is to have. */
  readonly live: number
}

/** What the part "control-plane" can be asked for. */
export function controlPlaneCalls(): PartCalls {
  let running: { readonly plane: ControlPlane; readonly size: ClusterSize } | null = null
  return {
    /** Returns its URL. */
    start: async (size: ClusterSize): Promise<string> => {
      const plane = await startControlPlane({
        host: '127.0.0.1',
        port: 0,
        serviceCidrs: [serviceCidr],
        nodeName: 'bench',
        log: silentLog,
      })
      running = { plane, size }
      const probed = new Set(probedServices(size))
      for (let service = 0; service < size.services; service++) {
        plane.apply(serviceObject(service, size))
        plane.apply(sliceObject(service, probed.has(service) ? 0 : null, size))
      }
      return plane.url
    },
    /** Returns when the change began, in microseconds on the machine's monotonic clock. */
    change: ({ service, live }: EndpointChange): number => {
      if (running === null) throw new TypeError('it has not been started')
      const object = sliceObject(service, live, running.size)
      const beganUs = monotonicUs()
      running.plane.apply(object)
      return beganUs
    },
  }
}

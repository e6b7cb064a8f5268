// From API objects to the table: all of it, and what one change costs among many Services.

import { DesiredState } from '../../lib/control/desired-state.ts'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import type { KubeObject } from '../../lib/model/objects.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { silentLog } from '../../lib/ops/log.ts'
import type { MicroBenchmark } from './measure.ts'
import type { MicroSizes } from './sizes.ts'

export function desiredState({ services, endpointsPerService }: MicroSizes): readonly MicroBenchmark[] {
  const numbers = Array.from({ length: services }, (_, number) => number)
  const cluster: Cluster = {
    services: numbers.map(serviceObject),
    slices: numbers.map(number => sliceObject(number, endpointsPerService)),
    changed: numbers.map(number => sliceObject(number, endpointsPerService - 1)),
  }
  const size = `${services} Services with ${endpointsPerService} endpoints`
  return [
    {
      name: `read all objects, ${size}`,
      make: () => {
        let state = newState()
        return { reset: () => (state = newState()), call: () => readAll(state, cluster) }
      },
    },
    {
      name: `build the whole table, ${size}`,
      make: () => {
        let state = newState()
        return {
          reset: () => {
            state = newState()
            readAll(state, cluster)
          },
          call: () => state.sync(),
        }
      },
    },
    {
      name: `one EndpointSlice changes, ${size}`,
      make: () => {
        const state = syncedState(cluster)
        let next = 0
        return {
          call: () => {
            // Each time around, the other one of its two forms.
            const number = next % services
            const from = Math.floor(next++ / services) % 2 === 0 ? cluster.changed : cluster.slices
            state.setEndpointSlice(from[number] as KubeObject)
            return state.sync()
          },
        }
      },
    },
    {
      name: `the zone changes: rebuild all, find it equal, ${size}`,
      make: () => {
        const state = syncedState(cluster)
        let zone = 0
        return {
          reset: () => state.setNode({ name: 'node-0', zone: `zone-${zone++}`, ips: [], podCidrs: [] }),
          call: () => state.sync(),
        }
      },
    },
  ]
}

interface Cluster {
  readonly services: readonly KubeObject[]
  readonly slices: readonly KubeObject[]
  /** The same slices with an endpoint less. */
  readonly changed: readonly KubeObject[]
}

function syncedState(cluster: Cluster): DesiredState {
  const state = newState()
  readAll(state, cluster)
  state.sync()
  return state
}

function readAll(state: DesiredState, { services, slices }: Cluster): void {
  for (const object of services) state.setService(object)
  for (const object of slices) state.setEndpointSlice(object)
  state.markListed('services')
  state.markListed('endpointSlices')
}

function newState(): DesiredState {
  return new DesiredState({
    nodeName: 'node-0',
    nodePortAddresses: new NodePortAddresses([]),
    allowLoopbackEndpoints: false,
    localIps: ['192.168.0.1'],
    defaults: defaultProxySettings,
    clusterCidrs: [],
    vipMode: 'netns',
    vipExclude: [],
    apiServerIp: null,
    wallClock: Date.now,
    log: silentLog,
    onChange: () => {},
  })
}

export function serviceObject(number: number): KubeObject {
  const clusterIP = `10.96.${number >> 8}.${number & 255}`
  return {
    metadata: { namespace: 'bench', name: `svc-${number}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80 }] },
  }
}

export function sliceObject(number: number, endpoints: number): KubeObject {
  return {
    metadata: {
      namespace: 'bench',
      name: `svc-${number}-1`,
      labels: { 'kubernetes.io/service-name': `svc-${number}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, index) => ({
      addresses: [`10.${index}.${number >> 8}.${number & 255}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${index}`,
    })),
  }
}

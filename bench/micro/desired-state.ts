// How long the table takes to build: all of it, at 10,000 Services with 10 endpoints each, and after one change.
// Run with: node bench/micro/desired-state.ts

import { DesiredState } from '../../lib/control/desired-state.ts'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import type { KubeObject } from '../../lib/model/objects.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { silentLog } from '../../lib/ops/log.ts'

const serviceCount = 10_000
const endpointCount = 10
const changeCount = 1000

function service(index: number): KubeObject {
  const clusterIP = `10.96.${index >> 8}.${index & 255}`
  return {
    metadata: { namespace: 'bench', name: `svc-${index}`, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { type: 'ClusterIP', clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80 }] },
  }
}

function slice(index: number, endpoints: number): KubeObject {
  return {
    metadata: {
      namespace: 'bench',
      name: `svc-${index}-1`,
      labels: { 'kubernetes.io/service-name': `svc-${index}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, number) => ({
      addresses: [`10.${number}.${index >> 8}.${index & 255}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${number}`,
    })),
  }
}

const indexes = Array.from({ length: serviceCount }, (_, index) => index)
const services = indexes.map(service)
const slices = indexes.map(index => slice(index, endpointCount))
const changes = indexes.slice(0, changeCount).map(index => slice(index, endpointCount - 1))

const state = new DesiredState({
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

function time(name: string, action: () => void, per = 1): void {
  const start = performance.now()
  action()
  const elapsedMs = (performance.now() - start) / per
  process.stdout.write(
    `${name}: ${elapsedMs < 1 ? `${(elapsedMs * 1000).toFixed(0)} µs` : `${elapsedMs.toFixed(0)} ms`}\n`,
  )
}

process.stdout.write(`${serviceCount} Services, ${endpointCount} endpoints each\n`)
time('read all objects', () => {
  for (const object of services) state.setService(object)
  for (const object of slices) state.setEndpointSlice(object)
  state.markListed('services')
  state.markListed('endpointSlices')
})
time('build the whole table', () => {
  state.sync()
})
time(
  'one EndpointSlice changes',
  () => {
    for (const object of changes) {
      state.setEndpointSlice(object)
      state.sync()
    }
  },
  changeCount,
)
time('the zone changes: rebuild everything, find it equal', () => {
  state.setNode({ name: 'node-0', zone: 'zone-a', ips: [], podCidrs: [] })
  state.sync()
})

// What tests of whole agents share: an agent's options with as little in them as a test needs, Services for it
// to serve, and clients that stay.

import { once } from 'node:events'
import type net from 'node:net'
import type { AgentOptions } from '../lib/agent.ts'
import { NodePortAddresses } from '../lib/control/node-port-addresses.ts'
import { anonymousAccess } from '../lib/kube/cluster-access.ts'
import { parseAddress } from '../lib/model/address.ts'
import { readNodePortRanges } from '../lib/model/node-port-ranges.ts'
import { defaultProxySettings } from '../lib/model/proxy-settings.ts'
import { systemClock } from '../lib/ops/clock.ts'
import { silentLog } from '../lib/ops/log.ts'
import { defaultPassiveHealth } from '../lib/policy/passive-health.ts'
import type { ControlPlane } from '../lib/standalone/control-plane.ts'

export const nodeName = 'node-1'

/** For the API server at `url`; without servers of its own, and proxying in the test's process. */
export function agentOptions(url: string, overrides: Partial<AgentOptions> = {}): AgentOptions {
  return {
    nodeName,
    nodePortAddresses: new NodePortAddresses(readNodePortRanges('127.0.0.1/32') ?? []),
    allowLoopbackEndpoints: true,
    defaults: defaultProxySettings,
    clusterCidrs: [],
    access: anonymousAccess(new URL(url)),
    source: 'apiserver',
    log: silentLog,
    clock: systemClock,
    passiveHealth: defaultPassiveHealth,
    earlyRetry: false,
    nodeIp: null,
    minSyncIntervalMs: 10,
    halfClosedTimeoutMs: 60_000,
    udp: { idleMs: 30_000, streamIdleMs: 180_000, maxFlows: 100 },
    metricsBindAddress: null,
    healthzBindAddress: null,
    configz: {},
    workers: null,
    vipMode: 'none',
    vipExclude: [],
    maxConnectionsPerClient: null,
    stateDir: null,
    ...overrides,
  }
}

/** Has the control plane serve `endpoint` ("ip:port") at port 80 of the cluster IP. */
export function serve(
  controlPlane: ControlPlane,
  name: string,
  clusterIP: string,
  endpoint: string,
  spec = {},
): void {
  const { ip, port } = parseAddress(endpoint)
  controlPlane.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { clusterIP, ports: [{ port: 80, targetPort: port }], ...spec },
  })
  controlPlane.apply({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [ip], conditions: { ready: true }, nodeName }],
    ports: [{ port }],
  })
}

/** Sends and waits for the echo. */
export async function echoed(socket: net.Socket, text: string): Promise<string> {
  socket.write(text)
  let answer = ''
  while (answer.length < text.length) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    answer += chunk.toString()
  }
  return answer
}

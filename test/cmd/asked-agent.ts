// An agent with two workers for the tests of what a person asks it: a Service with endpoints of every sort, one of them
// alive, and a Service whose only endpoint is dead.

import { once } from 'node:events'
import net from 'node:net'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { start, type Program } from './program.ts'

export const nodeName = 'node-1'

export interface Place {
  /** Of the agent's metrics. */
  readonly port: number
  /** Addresses of its own: 127.77.ID.…, 127.96.ID.1 */
  readonly id: number
}

const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: nodeName, labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
}

function manifests({ id }: Place): readonly object[] {
  const slice = (name: string, service: string, port: string, endpoints: readonly object[]): object => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: port, port: 8080, protocol: 'TCP' }],
    endpoints,
  })
  return [
    node,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', annotations: { 'kube-relay/balance': 'p2c' } },
      spec: {
        type: 'NodePort',
        clusterIP: `127.96.${id}.1`,
        externalTrafficPolicy: 'Local',
        sessionAffinity: 'ClientIP',
        ports: [{ name: 'http', port: 8080, nodePort: 30_950 + id }],
      },
    },
    slice('web-1', 'web', 'http', [
      { addresses: [`127.77.${id}.1`], nodeName: 'node-2', zone: 'zone-b' },
      { addresses: [`127.77.${id}.2`], nodeName, zone: 'zone-a', conditions: { ready: false } },
    ]),
    slice('web-typo', 'web', 'htpp', [{ addresses: [`127.77.${id}.3`] }]),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'dead' },
      spec: { clusterIP: `127.96.${id}.2`, ports: [{ port: 8080 }] },
    },
    slice('dead-1', 'dead', '', [{ addresses: [`127.77.${id}.9`] }]),
  ]
}

/** An agent that has synced. */
export async function startAgent(t: Test, place: Place): Promise<Program> {
  return await agentFor(t, place, manifestsFolder(t, place))
}

export function manifestsFolder(t: Test, place: Place): string {
  const documents = manifests(place).map(object => stringify(object))
  return t.testdir({ 'objects.yaml': documents.join('---\n') })
}

export async function agentFor(t: Test, place: Place, folder: string): Promise<Program> {
  const agent = start(t, [
    'run',
    '--workers=2',
    '--log-format=text',
    '--allow-loopback-endpoints',
    '--nodeport-addresses=localhost',
    '--healthz-bind-address=off',
    `--metrics-bind-address=127.0.0.1:${place.port}`,
    `--hostname-override=${nodeName}`,
    '--passive-health-failures=2',
    `--manifests=${folder}`,
  ])
  await agent.prints(/synced/)
  return agent
}

/** Greets everybody and waits for their end. */
export async function startEndpoint(t: Test, { id }: Place): Promise<void> {
  const server = net.createServer(socket => {
    socket.on('error', () => {}).on('data', data => socket.write(data))
  })
  server.listen(8080, `127.77.${id}.1`)
  await once(server, 'listening')
  t.teardown(() => server.close())
}

// The API server of a test: the embedded control plane, which can go away and come back on the same port with what it
// knew, and the few objects that the tests need.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../lib/ops/log.ts'
import { startControlPlane, type ControlPlane } from '../../lib/standalone/control-plane.ts'
import type { Owner } from './owner.ts'

export interface ApiServer {
  readonly url: string
  isUp(): boolean
  /** Creates objects, or makes them be as given. */
  apply(...objects: readonly object[]): void
  stop(): Promise<void>
  start(): Promise<void>
}

export async function startApi(owner: Owner): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'kube-relay-api.'))
  const start = (port: number): Promise<ControlPlane> =>
    startControlPlane({
      host: '127.0.0.1',
      port,
      serviceCidrs: ['10.96.0.0/16'],
      // Without it, a new life would begin with an empty list, which an agent would believe.
      dataFile: join(folder, 'objects'),
      nodeName: 'node-1',
      log: silentLog,
    })
  let server = await start(0)
  let isUp = true
  const { url, port } = server
  owner.teardown(async () => {
    await server.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  return {
    url,
    isUp: () => isUp,
    apply(...objects) {
      for (const object of objects) server.apply(object)
    },
    async stop() {
      isUp = false
      await server.close()
    },
    async start() {
      server = await start(port)
      isUp = true
    },
  }
}

export interface ServiceFields {
  readonly name: string
  readonly clusterIP: string
  readonly port: number
  readonly protocol?: 'TCP' | 'UDP'
  readonly nodePort?: number
  readonly sessionAffinity?: 'None' | 'ClientIP'
  readonly annotations?: Readonly<Record<string, string>>
}

export function serviceObject(fields: ServiceFields): object {
  const { name, clusterIP, port, protocol = 'TCP', nodePort, sessionAffinity = 'None', annotations } = fields
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      type: nodePort === undefined ? 'ClusterIP' : 'NodePort',
      clusterIP,
      sessionAffinity,
      ports: [{ name: 'main', port, protocol, ...(nodePort === undefined ? {} : { nodePort }) }],
    },
  }
}

/** Its one slice, with exactly these endpoints. */
export function sliceObject(
  service: string,
  ips: readonly string[],
  port: number,
  protocol: 'TCP' | 'UDP' = 'TCP',
): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-1`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: 'IPv4',
    ports: [{ name: 'main', port, protocol }],
    endpoints: ips.map(ip => ({ addresses: [ip], conditions: { ready: true } })),
  }
}

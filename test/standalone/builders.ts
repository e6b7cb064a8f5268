// Objects with as little in them as a test needs, and a control plane that ends with its test.

import type { Test } from 'tap'
import type { KubeObject } from '../../lib/model/objects.ts'
import { silentLog } from '../../lib/ops/log.ts'
import type { EndpointSlice, Pod, Service, ServiceSpec } from '../../lib/standalone/kinds/api-types.ts'
import {
  startControlPlane,
  type ControlPlane,
  type ControlPlaneOptions,
} from '../../lib/standalone/control-plane.ts'
import { endpointSlices } from '../../lib/standalone/kinds/resources.ts'
import { StatusError, type Status } from '../../lib/standalone/kinds/status.ts'

export function service(name: string, spec: ServiceSpec = {}): Service {
  const defaults: ServiceSpec = { selector: { app: name }, ports: [{ port: 80 }] }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ...defaults, ...spec },
  }
}

export function pod(name: string, options: { app: string; ip: string; ready?: boolean } & Partial<Pod>): Pod {
  const { app, ip, ready = true, metadata, spec = {}, status } = options
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app }, ...metadata },
    spec: { containers: [{ name: 'main', image: 'example' }], ...spec },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      ...status,
    },
  }
}

export function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

/** The Status with which a request is refused; an error of another kind is thrown on. */
export function refusal(request: () => unknown): Status {
  try {
    request()
  } catch (error) {
    if (error instanceof StatusError) return error.status
    throw error
  }
  throw new Error('not refused')
}

/** A control plane on a free port of loopback. */
export async function controlPlaneFor(
  t: Test,
  options: Partial<ControlPlaneOptions> = {},
): Promise<ControlPlane> {
  const controlPlane = await startControlPlane({
    host: '127.0.0.1',
    port: 0,
    serviceCidrs: ['127.96.0.0/16'],
    log: silentLog,
    ...options,
  })
  t.teardown(() => controlPlane.close())
  return controlPlane
}

/** "ip:port condition" of every endpoint of a Service, sorted. */
export function endpointsOf(controlPlane: ControlPlane, serviceName: string): readonly string[] {
  const slices = controlPlane.store.list(endpointSlices).items as readonly EndpointSlice[]
  return slices
    .filter(slice => slice.metadata.labels?.['kubernetes.io/service-name'] === serviceName)
    .flatMap(slice =>
      (slice.endpoints ?? []).flatMap(endpoint =>
        (slice.ports ?? []).map(port => {
          const { ready, terminating } = endpoint.conditions ?? {}
          const state = terminating ? 'terminating' : ready ? 'ready' : 'not ready'
          return `${endpoint.addresses?.[0]}:${port.port} ${state}`
        }),
      ),
    )
    .sort()
}

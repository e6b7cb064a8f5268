// What the API server adds to a Pod that its author left out (kubernetes pkg/apis/core/v1/defaults.go), so that
// everybody who reads a Pod finds the same fields in it.

import { asFields } from '../../model/fields.ts'
import type { ContainerSpec, Handler, PodSpec, Probe, Volume } from './pod-spec.ts'

const defaultMode = 0o644
const tokenSeconds = 3600

export function withPodDefaults(spec: PodSpec): PodSpec {
  const { serviceAccount, serviceAccountName = serviceAccount, hostNetwork = false } = spec
  const containers = (list: readonly ContainerSpec[]): readonly ContainerSpec[] =>
    list.map(container => withContainerDefaults(container, hostNetwork))
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
    ...withoutEmptyText(spec, ['restartPolicy', 'dnsPolicy', 'schedulerName']),
    // The same name twice: the first is the one of long ago, which old clients still read.
    ...(serviceAccountName ? { serviceAccount: serviceAccountName, serviceAccountName } : {}),
    ...(spec.containers ? { containers: containers(spec.containers) } : {}),
    ...(spec.initContainers ? { initContainers: containers(spec.initContainers) } : {}),
    ...(spec.volumes ? { volumes: spec.volumes.map(volume => withVolumeDefaults(volume)) } : {}),
  }
}

function withContainerDefaults(container: ContainerSpec, hostNetwork: boolean): ContainerSpec {
  const { ports, env, resources = {}, lifecycle, image = '' } = container
  const { limits, requests } = resources
  const probes = (['livenessProbe', 'readinessProbe', 'startupProbe'] as const).flatMap(name => {
    const probe = container[name]
    return probe ? [[name, withProbeDefaults(probe)] as const] : []
  })
  return {
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: tagOf(image) === 'latest' ? 'Always' : 'IfNotPresent',
    ...withoutEmptyText(container, ['terminationMessagePath', 'terminationMessagePolicy', 'imagePullPolicy']),
    resources: limits ? { ...resources, requests: { ...limits, ...requests } } : resources,
    ...(ports
      ? {
          ports: ports.map(port => ({
            ...port,
            ...(hostNetwork && !port.hostPort && port.containerPort ? { hostPort: port.containerPort } : {}),
            protocol: port.protocol || 'TCP',
          })),
        }
      : {}),
    ...(env ? { env: env.map(variable => withEnvironmentDefaults(variable)) } : {}),
    ...(lifecycle ? { lifecycle: withLifecycleDefaults(lifecycle) } : {}),
    ...Object.fromEntries(probes),
  }
}

function withLifecycleDefaults({ postStart, preStop }: NonNullable<ContainerSpec['lifecycle']>) {
  return {
    ...(postStart ? { postStart: withHandlerDefaults(postStart) } : {}),
    ...(preStop ? { preStop: withHandlerDefaults(preStop) } : {}),
  }
}

function withProbeDefaults(probe: Probe): Probe {
  const { timeoutSeconds, periodSeconds, successThreshold, failureThreshold } = probe
  return {
    ...withHandlerDefaults(probe),
    timeoutSeconds: timeoutSeconds || 1,
    periodSeconds: periodSeconds || 10,
    successThreshold: successThreshold || 1,
    failureThreshold: failureThreshold || 3,
  }
}

function withHandlerDefaults<T extends Handler>(handler: T): T {
  const { httpGet, grpc } = handler
  return {
    ...handler,
    ...(httpGet
      ? { httpGet: { ...httpGet, path: httpGet.path || '/', scheme: httpGet.scheme || 'HTTP' } }
      : {}),
    ...(grpc ? { grpc: { service: '', ...grpc } } : {}),
  }
}

function withEnvironmentDefaults(variable: NonNullable<ContainerSpec['env']>[number]) {
  const { valueFrom } = variable
  if (!valueFrom?.fieldRef) return variable
  const fieldRef = { ...valueFrom.fieldRef, apiVersion: valueFrom.fieldRef.apiVersion || 'v1' }
  return { ...variable, valueFrom: { ...valueFrom, fieldRef } }
}

function withVolumeDefaults(volume: Volume): Volume {
  const [source] = Object.keys(volume).filter(key => key !== 'name')
  if (source === undefined) return { ...volume, emptyDir: {} }
  const value = asFields(volume[source])
  switch (source) {
    case 'secret':
    case 'configMap':
    case 'downwardAPI':
      return { ...volume, [source]: { defaultMode, ...value } }
    case 'projected':
      return { ...volume, projected: { defaultMode, ...value, ...withTokenDefaults(value['sources']) } }
    case 'hostPath':
      return { ...volume, hostPath: { type: '', ...value } }
    default:
      return volume
  }
}

function withTokenDefaults(sources: unknown): object {
  if (!Array.isArray(sources)) return {}
  return {
    sources: sources.map(source => {
      const { serviceAccountToken: token } = asFields(source)
      if (token === undefined) return source as unknown
      return {
        ...asFields(source),
        serviceAccountToken: { expirationSeconds: tokenSeconds, ...asFields(token) },
      }
    }),
  }
}

/** The tag of an image's name: "latest" when it has neither tag nor digest. */
function tagOf(image: string): string {
  const [, tag, digest] = /^[^@]*?(?::([\w][\w.-]{0,127}))?(@.+)?$/.exec(image) ?? []
  return tag ?? (digest === undefined && image !== '' ? 'latest' : '')
}

/** An empty string is no value: as if the field weren't there. */
function withoutEmptyText<T extends object>(fields: T, names: readonly (keyof T)[]): T {
  const empty = names.filter(name => fields[name] === '')
  if (empty.length === 0) return fields
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !empty.includes(name as keyof T))) as T
}

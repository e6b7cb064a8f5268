// Somebody who changes Services, Pods, EndpointSlices, Nodes and namespaces at random, in every way there is: over
// HTTP with all verbs and patches, and in process through the registry. The same seed does the same again.

import type { ControlPlane } from '../../lib/standalone/control-plane.ts'
import {
  endpointSlices,
  namespaces,
  nodes,
  pods,
  services,
  type ResourceType,
} from '../../lib/standalone/kinds/resources.ts'
import { StatusError } from '../../lib/standalone/kinds/status.ts'
import { call } from './http-client.ts'

/** Uniform in [0, 1). */
export type Random = () => number

/** A small generator whose whole state is its seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface RandomWriter {
  /** Makes changes until one is accepted. */
  change(): Promise<void>
  /** How many changes were accepted, by verb; "refused" are those that were not. */
  readonly counts: ReadonlyMap<string, number>
}

const appCount = 6
const namespaceNames = ['default', 'team-a', 'team-b']

/** The Node of this name is changed, but never deleted. */
export function randomWriter(controlPlane: ControlPlane, random: Random, ownNode: string): RandomWriter {
  const { url, store, registry } = controlPlane
  const counts = new Map<string, number>()
  const below = (limit: number): number => Math.floor(random() * limit)
  const chance = (probability: number): boolean => random() < probability
  const pick = <T>(items: readonly [T, ...T[]]): T => items[below(items.length)] ?? items[0]

  const tally = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
  /** Whether it was accepted; what is wrong with the server is thrown. */
  const send = async (
    verb: string,
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<boolean> => {
    const reply = await call(url + path, method, body, { 'content-type': contentType })
    const refused = [400, 404, 409, 422]
    if (reply.code >= 300 && !refused.includes(reply.code)) {
      throw new Error(
        `${method} ${path} ${JSON.stringify(body)}: ${reply.code} ${JSON.stringify(reply.body)}`,
      )
    }
    tally(reply.code < 300 ? verb : 'refused')
    return reply.code < 300
  }
  const inProcess = (verb: string, write: () => unknown): boolean => {
    try {
      write()
      tally(verb)
      return true
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      tally('refused')
      return false
    }
  }
  const pathOf = ({ group, version, plural }: ResourceType, namespace = '', name = ''): string => {
    const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    return `${root}${namespace && `/namespaces/${namespace}`}/${plural}${name && `/${name}`}`
  }

  /** Creates what isn't there; changes or deletes what is. */
  const write = async (options: {
    readonly type: ResourceType
    readonly namespace: string
    readonly name: string
    readonly object: () => Record<string, unknown>
    readonly mergePatch: () => object
    readonly strategicPatch: () => object
    readonly keep?: boolean
  }): Promise<boolean> => {
    const { type, namespace, name, object, keep = false } = options
    const own = pathOf(type, namespace, name)
    const stored = store.get(type, namespace === '' ? name : `${namespace}/${name}`)
    const given = { apiVersion: type.group ? `${type.group}/${type.version}` : type.version, kind: type.kind }
    const metadata = {
      name,
      ...(namespace ? { namespace } : {}),
      labels: { app: `a${below(appCount)}`, ...(options.object()['labels'] as object | undefined) },
    }
    if (!stored) {
      const { labels: _, ...rest } = object()
      const made = { ...given, metadata, ...rest }
      if (chance(0.5)) return inProcess('registry create', () => registry.apply(made))
      return send('post', 'POST', pathOf(type, namespace), made)
    }
    const { resourceVersion } = stored.metadata
    switch (below(keep ? 8 : 11)) {
      case 0:
      case 1: {
        const { labels: _, ...rest } = object()
        return inProcess('registry apply', () => registry.apply({ ...given, metadata, ...rest }))
      }
      case 2: {
        const { labels: _, status: __, ...rest } = object()
        const versioned = { ...metadata, ...(chance(0.8) ? { resourceVersion } : {}) }
        return send('put', 'PUT', own, { ...stored, ...given, ...rest, metadata: versioned })
      }
      case 3: {
        const stale = { metadata: { resourceVersion: String(Number(resourceVersion) - 1) } }
        return send('stale patch', 'PATCH', own, stale, 'application/merge-patch+json')
      }
      case 4: {
        const annotations = [{ op: 'add', path: '/metadata/annotations', value: { n: String(below(1e6)) } }]
        return send('json patch', 'PATCH', own, annotations, 'application/json-patch+json')
      }
      case 5:
        return send('merge patch', 'PATCH', own, options.mergePatch(), 'application/merge-patch+json')
      case 6:
      case 7: {
        const patch = options.strategicPatch()
        return send('strategic patch', 'PATCH', own, patch, 'application/strategic-merge-patch+json')
      }
      case 8:
        return inProcess('registry delete', () => registry.delete(type, { namespace, name }))
      default:
        return send('delete', 'DELETE', `${own}?gracePeriodSeconds=0`)
    }
  }

  const serviceSpec = (): object => {
    const selector = { app: `a${below(appCount)}` }
    const port = { port: 80 + below(3), targetPort: pick([8080, 'web', 9090]) }
    switch (below(7)) {
      case 0:
        return { selector, clusterIP: 'None', ports: [port] }
      case 1:
        return { ports: [port] }
      case 2:
        return { selector, type: 'NodePort', ports: [port] }
      case 3:
        return { type: 'ExternalName', externalName: 'example.com' }
      case 4:
        return {
          selector,
          ports: [
            { ...port, name: 'a' },
            { name: 'b', port: 53, protocol: 'UDP' },
          ],
        }
      case 5:
        return { selector, ports: [port], sessionAffinity: 'ClientIP' }
      default:
        return { selector, ports: [port], trafficDistribution: pick(['PreferClose', 'PreferSameNode']) }
    }
  }
  const changeService = (): Promise<boolean> =>
    write({
      type: services,
      namespace: pick(['default', 'team-a', 'team-b']),
      name: `s${below(12)}`,
      object: () => ({ spec: serviceSpec() }),
      mergePatch: () => ({ spec: { selector: { app: `a${below(appCount)}` } } }),
      strategicPatch: () => ({ spec: { ports: [{ port: 80, targetPort: 8000 + below(5) }] } }),
    })

  const podStatus = (): object => {
    const ip = `10.${below(4)}.${below(256)}.${1 + below(250)}`
    const status = chance(0.7) ? 'True' : 'False'
    return {
      phase: chance(0.95) ? 'Running' : 'Succeeded',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status, lastTransitionTime: '2026-01-01T00:00:00Z' }],
    }
  }
  const changePod = async (): Promise<boolean> => {
    const namespace = pick(['default', 'team-a', 'team-b'])
    const name = `p${below(25)}`
    if (chance(0.3) && store.get(pods, `${namespace}/${name}`)) {
      const path = `${pathOf(pods, namespace, name)}/status`
      return send('status patch', 'PATCH', path, { status: podStatus() }, 'application/merge-patch+json')
    }
    if (chance(0.01)) {
      const app = `a${below(appCount)}`
      return send('delete collection', 'DELETE', `${pathOf(pods, namespace)}?labelSelector=app%3D${app}`)
    }
    const ports = [{ name: 'web', containerPort: 7000 }]
    return write({
      type: pods,
      namespace,
      name,
      object: () => ({
        spec: {
          containers: [{ name: 'c', image: 'example.com/c:1', ports }],
          nodeName: pick([ownNode, 'worker-1', 'worker-2']),
        },
        status: podStatus(),
      }),
      mergePatch: () => ({ metadata: { labels: { app: `a${below(appCount)}` } } }),
      strategicPatch: () => ({ spec: { containers: [{ name: 'c', image: `example.com/c:${below(9)}` }] } }),
    })
  }

  const changeSlice = (): Promise<boolean> => {
    const endpoint = (): object => ({
      addresses: [`10.9.${below(256)}.${1 + below(250)}`],
      conditions: { ready: chance(0.8) },
    })
    return write({
      type: endpointSlices,
      namespace: pick(['default', 'team-a', 'team-b']),
      name: `manual-${below(10)}`,
      object: () => ({
        labels: { 'kubernetes.io/service-name': `s${below(12)}` },
        addressType: 'IPv4',
        endpoints: Array.from({ length: below(4) }, endpoint),
        ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      }),
      mergePatch: () => ({ endpoints: [endpoint()] }),
      strategicPatch: () => ({ metadata: { labels: { 'kubernetes.io/service-name': `s${below(12)}` } } }),
    })
  }

  const changeNode = (): Promise<boolean> => {
    const name = pick([ownNode, 'worker-1', 'worker-2', 'worker-3'])
    const zone = { 'topology.kubernetes.io/zone': pick(['z1', 'z2']) }
    return write({
      type: nodes,
      namespace: '',
      name,
      keep: name === ownNode,
      object: () => ({ labels: zone, spec: {} }),
      mergePatch: () => ({ metadata: { labels: zone } }),
      strategicPatch: () => ({ metadata: { labels: zone, annotations: { n: String(below(1e6)) } } }),
    })
  }

  const changeNamespace = (): boolean => {
    const name = pick(['team-a', 'team-b'])
    if (!store.get(namespaces, name)) {
      return inProcess('namespace create', () => registry.create(namespaces, { metadata: { name } }))
    }
    return (
      chance(0.1) && inProcess('namespace delete', () => registry.delete(namespaces, { namespace: '', name }))
    )
  }

  return {
    counts,
    async change() {
      for (;;) {
        const missing = namespaceNames.some(name => !store.get(namespaces, name))
        const kind = below(100)
        const accepted =
          kind < (missing ? 30 : 1)
            ? changeNamespace()
            : await (kind < 40
                ? changeService()
                : kind < 80
                  ? changePod()
                  : kind < 93
                    ? changeSlice()
                    : changeNode())
        if (accepted) return
      }
    },
  }
}

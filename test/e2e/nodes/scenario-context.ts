// Makes what a scenario's body gets, and takes away what came of it: objects in the API server, pods, routes of the
// client. What it stopped is started again, so that the next scenario finds the cluster as it was.

import type { Test } from 'tap'
import type { Cluster } from './cluster.ts'
import { createNodeAgent, portsOf } from './node-agent.ts'
import { endpointSlice, service, type KubeObject } from './objects.ts'
import { targetName } from './place.ts'
import type { Family, ProbeResult, Protocol } from './place-protocol.ts'
import type { KubeEvent, PortChoice, ScenarioContext, Served } from './scenario.ts'

interface ServiceSpec {
  readonly clusterIP?: string
  readonly healthCheckNodePort?: number
  readonly ports?: readonly {
    readonly port: number
    readonly protocol: Protocol
    readonly nodePort?: number
  }[]
}

const collections = {
  Service: { path: '/api/v1', resource: 'services' },
  EndpointSlice: { path: '/apis/discovery.k8s.io/v1', resource: 'endpointslices' },
} as const

function collectionOf({ kind, metadata }: KubeObject): string {
  const { path, resource } = collections[kind]
  return `${path}/namespaces/${metadata.namespace}/${resource}`
}

export interface OwnedContext extends ScenarioContext {
  /** Takes away what the scenario has made, and starts what it has stopped. Rejects with all that failed. */
  close(): Promise<void>
}

/** Makes the Kubernetes namespace, too. */
export async function createContext(
  t: Test,
  cluster: Cluster,
  options: { readonly name: string; readonly family: Family },
): Promise<OwnedContext> {
  const { family } = options
  const namespace = `${options.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 50)}-${family.toLowerCase()}`
  const { network, agents, pods, control } = cluster
  const { api } = control
  await api.must('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace },
  })
  const undos: (() => Promise<unknown>)[] = []
  let closed = false
  /** What a scenario that ran out of time still does must not disturb the next one. */
  const whileOpen = (): void => {
    if (closed) throw new Error(`scenario ${namespace} is over`)
  }
  const created = new Map<string, KubeObject>()

  const settled: ScenarioContext['settled'] = async () => {
    whileOpen()
    return (await cluster.settled(namespace)).map(status => portsOf(status, namespace))
  }
  const apply: ScenarioContext['apply'] = async (...objects) => {
    for (const object of objects) {
      whileOpen()
      const collection = collectionOf(object)
      const path = `${collection}/${object.metadata.name}`
      // Creating it again could be refused for a node port that it has itself, before its name is looked at.
      const known = created.has(path)
      created.set(path, object)
      const answer = known ? { status: 409, body: {} } : await api.send('POST', collection, object)
      if (answer.status === 409) {
        await api.must('PUT', path, asReplacementOf(await api.must('GET', path), object))
      } else if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
    }
  }
  const remove: ScenarioContext['remove'] = async (...objects) => {
    for (const object of objects) {
      const path = `${collectionOf(object)}/${object.metadata.name}`
      const { status, body } = await api.send('DELETE', path)
      if (status >= 300 && status !== 404) throw new Error(`DELETE ${path}: ${JSON.stringify(body)}`)
      created.delete(path)
    }
  }
  const read: ScenarioContext['read'] = async name => {
    const { spec } = await api.must('GET', `/api/v1/namespaces/${namespace}/services/${name}`)
    return servedBy(name, spec as ServiceSpec)
  }
  const startHostPod: ScenarioContext['startHostPod'] = async (node, port) => {
    const name = `host-of-${node.name}`
    const protocols: readonly Protocol[] = ['TCP', 'UDP']
    for (const protocol of protocols) {
      const serving = await node.place.serve({ protocol, ip: node.addresses[family], port, server: name })
      undos.push(() => serving.stop())
    }
    return { name, addresses: node.addresses, node: node.name }
  }

  return {
    t,
    mode: cluster.mode,
    family,
    namespace,
    cluster,
    api,
    nodes: network.nodes,
    agents,
    pods,
    client: network.client,
    service: each => service(namespace, family, each),
    slice: each => endpointSlice(namespace, family, each),
    apply,
    remove,
    serve: async (each, endpoints) => {
      const { name, ports } = each
      const slice = { service: name, endpoints, ...(ports === undefined ? {} : { ports }) }
      await apply(service(namespace, family, each), endpointSlice(namespace, family, slice))
      await settled()
      return read(name)
    },
    read,
    settled,
    startPod: async node => {
      whileOpen()
      const pod = await network.startPod(node)
      undos.push(() => pod.remove())
      return pod
    },
    startHostPod,
    secondAgent: node => {
      const { agentKubeconfig: kubeconfig } = control
      const { mode } = cluster
      const agent = createNodeAgent(node, { kubeconfig, mode, metricsPort: 11249, healthzPort: 11256 })
      undos.push(async () => (agent.running() ? agent.stop() : undefined))
      return agent
    },
    setLoadBalancer: async (name, ips) => {
      const loadBalancer = { ingress: ips.map(ip => ({ ip })) }
      await api.must('PATCH', `/api/v1/namespaces/${namespace}/services/${name}/status`, {
        status: { loadBalancer },
      })
    },
    events: async () => {
      const { items } = await api.must('GET', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`)
      return items as readonly KubeEvent[]
    },
    routeFromClient: async (ip, node) => {
      await network.client.ip(`route add ${ip} via ${node.addresses[family]}`)
      undos.push(() => network.client.ip(`route delete ${ip}`))
    },
    after: undo => undos.push(undo),
    answers: async (from, target, servers, { times, ...probeOptions } = {}) => {
      const expected = servers.map(({ name }) => name).sort()
      // Each of the two workers takes the endpoints in turn: one of them gets at least every second request.
      const count = times ?? Math.max(2, 2 * servers.length)
      const all: ProbeResult[] = []
      for (const place of [from].flat()) {
        whileOpen()
        const results = await place.probes(target, count, probeOptions)
        const seen = [...new Set(results.map(describe))].sort()
        t.same(seen, expected, `${place.name} → ${targetName(target)}: answered by ${expected.join(', ')}`)
        all.push(...results)
      }
      return all
    },
    fails: async (from, target, outcome, probeOptions) => {
      for (const place of [from].flat()) {
        whileOpen()
        const result = await place.probe(target, probeOptions)
        t.equal(describe(result), outcome, `${place.name} → ${targetName(target)}: ${outcome}`)
      }
    },
    close: async () => {
      closed = true
      const errors: unknown[] = []
      const attempt = async (undo: () => Promise<unknown>): Promise<void> => {
        try {
          await undo()
        } catch (error) {
          errors.push(error)
        }
      }
      for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) await attempt(undo)
      await attempt(() => remove(...created.values()))
      for (const pod of pods) if (!pod.serving()) await attempt(() => pod.start())
      for (const agent of agents) if (!agent.running()) await attempt(() => agent.start())
      if (errors.length > 0)
        throw new AggregateError(errors, `${namespace}: cleaning up failed: ${errors.join('; ')}`)
    },
  }
}

/** The object with what the API server wants kept: the version, and cluster IPs that aren't said anew. */
function asReplacementOf(now: Readonly<Record<string, unknown>>, object: KubeObject): KubeObject {
  const { resourceVersion } = now['metadata'] as { readonly resourceVersion: string }
  const metadata = { ...object.metadata, resourceVersion }
  const spec = object['spec'] as Readonly<Record<string, unknown>> | undefined
  if (spec === undefined || spec['type'] === 'ExternalName') return { ...object, metadata }
  const { clusterIP, clusterIPs } = now['spec'] as Readonly<Record<string, unknown>>
  return { ...object, metadata, spec: { clusterIP, clusterIPs, ...spec } }
}

/** The server's name, or what came instead. */
function describe(result: ProbeResult): string {
  switch (result.outcome) {
    case 'answered':
      return result.intact === false ? `${result.server}, with other bytes than were sent` : result.server
    case 'failed':
      return result.code
    default:
      return result.outcome
  }
}

function servedBy(
  name: string,
  { clusterIP = '', healthCheckNodePort = 0, ports = [] }: ServiceSpec,
): Served {
  const chosen = ({ port, protocol }: PortChoice = {}) => {
    const found = ports.filter(
      each => (port ?? each.port) === each.port && (protocol ?? each.protocol) === each.protocol,
    )
    const [first] = found
    if (first === undefined || found.length > 1) {
      throw new Error(
        `Service ${name}: ${found.length} ports are ${protocol ?? 'any'} ${port ?? 'any'}, not one`,
      )
    }
    return first
  }
  const targetAt: Served['targetAt'] = (ip, choice) => {
    const { protocol, port } = chosen(choice)
    return { protocol, ip, port }
  }
  return {
    clusterIp: clusterIP,
    healthCheckNodePort: healthCheckNodePort === 0 ? null : healthCheckNodePort,
    target: choice => targetAt(clusterIP, choice),
    targetAt,
    nodePort: (node, choice) => {
      const { protocol, nodePort } = chosen(choice)
      if (nodePort === undefined) throw new Error(`Service ${name} has no node port`)
      return { protocol, ip: node.addresses[clusterIP.includes(':') ? 'IPv6' : 'IPv4'], port: nodePort }
    },
  }
}

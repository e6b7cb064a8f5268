// The composition root of an agent without a cluster: an embedded control plane fed from manifests, and the very same
// agent on top of it, which sees no difference to an API server elsewhere.

import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentOptions, AgentSummary } from './agent.ts'
import { anonymousAccess } from './kube/cluster-access.ts'
import { formatAddress, type Address } from './model/address.ts'
import { RelayError } from './model/error.ts'
import { readEndpointSlice } from './model/endpoint-slice.ts'
import type { LastReload, StatusDocument } from './ops/status.ts'
import { startReloadableAgent, type ReloadableAgent } from './reloadable-agent.ts'
import { startControlPlane, type ControlPlane } from './standalone/control-plane.ts'
import { startDnsServer } from './standalone/dns/dns-server.ts'
import { endpointSlices } from './standalone/kinds/resources.ts'
import { startSamplePods, type SamplePods } from './standalone/samples/sample-pods.ts'
import { watchManifests } from './standalone/manifests/watch-manifests.ts'
import { version } from './version.ts'

/** What a reload can change. */
export type StandaloneAgentOptions = Omit<AgentOptions, 'access' | 'source'>

export interface StandaloneOptions extends StandaloneAgentOptions {
  /** What the agent would be started with now; rejects with the reason where it couldn't. */
  readonly reread: () => Promise<StandaloneAgentOptions>
  /** A folder of YAML manifests, or one file; null for none: the API is the only way in. */
  readonly manifests: string | null
  /** Where objects are kept over restarts; null: they live as long as this process. */
  readonly dataFile: string | null
  readonly serviceCidrs: readonly string[]
  /** CIDRs from which LoadBalancer Services get their address; none: they stay pending. */
  readonly loadBalancerPool: readonly string[]
  /** Where the embedded API server listens; port 0 for any free one. */
  readonly api: Address
  /** Where Services are answered by name; null: nowhere. */
  readonly dns: Address | null
  /** The command that runs one sample pod, as SamplePodsOptions has it; null: no pods are run here. */
  readonly samplePodCommand: readonly string[] | null
}

export interface StandaloneAgent {
  readonly controlPlane: ControlPlane
  readonly agent: ReloadableAgent
  readonly samplePods: SamplePods | null
  /** Where Services are answered by name, if anywhere. */
  readonly dnsAddress: Address | null
  /**
   * Resolves with the status once all sample pods answer and the agent serves every ready endpoint that the control
   * plane knows; after `limitMs` with whatever is served then.
   */
  settled(limitMs: number): Promise<StatusDocument>
  /** Rejects with the reason when the workers can't be started. */
  readonly serving: Promise<void>
  summary(): AgentSummary
  /** Replaces the agent, see ReloadableAgent. Control plane and sample pods stay. */
  reload(): Promise<LastReload>
  /** As an agent's. */
  reopenAccessLog(): void
  /** Lets the agent's clients end for `drainMs`, then stops everything. */
  stop(drainMs: number | null): Promise<void>
  /** Stops everything in the order that leaves nothing behind. May be called twice. */
  close(): Promise<void>
}

/**
 * Starts the control plane, applies the manifests and starts the agent. What is wrong with a manifest is logged, and
 * the rest is served. Throws ADDRESS when the API server or the DNS server can't listen,
 * INVALID_CONFIG for unusable CIDRs, an unusable data file or a path that isn't there (later it may go and come back).
 */
export async function startStandalone(options: StandaloneOptions): Promise<StandaloneAgent> {
  const { api, log, manifests, nodeName, serviceCidrs, samplePodCommand } = options
  if (manifests !== null && !existsSync(manifests)) {
    throw new RelayError('INVALID_CONFIG', `--manifests: there is no file or folder ${manifests}`)
  }
  const stack = new AsyncDisposableStack()
  try {
    const controlPlane = await startControlPlane({
      host: api.ip,
      port: api.port,
      serviceCidrs,
      loadBalancerPool: options.loadBalancerPool,
      dataFile: options.dataFile,
      nodeName,
      programVersion: version,
      log,
    })
    stack.defer(() => controlPlane.close())
    log.info({ address: formatAddress(api.ip, controlPlane.port) }, 'embedded API server listens')
    if (manifests !== null) {
      const watch = await watchManifests(controlPlane, manifests, { log })
      stack.defer(() => watch.close())
    }
    // After the manifests, so that no name is said not to exist only because it doesn't yet.
    const dns =
      options.dns === null
        ? null
        : await startDnsServer({ store: controlPlane.store, address: options.dns, log })
    if (dns !== null) {
      stack.defer(() => dns.close())
      log.info({ address: formatAddress(dns.address.ip, dns.address.port) }, 'DNS server listens')
    }
    const samplePods =
      samplePodCommand === null
        ? null
        : startSamplePods({ controlPlane, command: samplePodCommand, nodeName, log })
    if (samplePods !== null) stack.defer(() => samplePods.close())
    const access = anonymousAccess(
      new URL(controlPlane.url),
      manifests === null ? 'the embedded control plane' : `the manifests in ${manifests}`,
    )
    const agent = startReloadableAgent({
      agent: { ...options, access, source: 'manifests' },
      reread: async () => ({ ...(await options.reread()), access, source: 'manifests' }),
    })
    stack.defer(() => agent.close())
    const settled = async (): Promise<StatusDocument> => {
      await samplePods?.allReady()
      await controlPlane.settled()
      return await agent.until(status => serves(status, readyEndpoints(controlPlane)))
    }
    return {
      controlPlane,
      agent,
      samplePods,
      dnsAddress: dns?.address ?? null,
      settled: limitMs =>
        Promise.race([settled(), delay(limitMs, undefined, { ref: false }).then(() => agent.status())]),
      serving: agent.serving,
      summary: () => agent.summary(),
      reload: () => agent.reload(),
      reopenAccessLog: () => agent.reopenAccessLog(),
      async stop(drainMs) {
        // Before what its clients' endpoints are known from, and the pods themselves, end.
        await agent.stop(drainMs)
        await stack.disposeAsync()
      },
      close: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

function readyEndpoints({ store }: ControlPlane): readonly string[] {
  return store.list(endpointSlices).items.flatMap(object => {
    const slice = readEndpointSlice(object)
    const ready = slice?.endpoints.filter(endpoint => endpoint.ready) ?? []
    return ready.flatMap(({ ip }) => slice?.ports.map(({ port }) => formatAddress(ip, port)) ?? [])
  })
}

function serves({ services }: StatusDocument, endpoints: readonly string[]): boolean {
  const served = new Set(services.flatMap(service => service.endpoints.cluster ?? []))
  return endpoints.every(endpoint => served.has(endpoint))
}

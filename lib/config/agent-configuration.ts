// What an agent runs with once flags, file and defaults have come together. /configz and --write-config-to show it:
// what kube-proxy has a field for as KubeProxyConfiguration, which --config reads again, the rest under our own name.

import { formatAddress, type Address } from '../model/address.ts'
import type { Cidr } from '../model/cidr.ts'
import { formatDuration } from '../model/duration.ts'
import type { NodePortRange } from '../model/node-port-ranges.ts'
import type { ProxySettings } from '../model/proxy-settings.ts'
import type { VipMode } from '../model/vip-mode.ts'
import type { AccessLogFormat } from '../ops/access-log.ts'
import type { LogFormat, LogLevel } from '../ops/log.ts'
import { apiVersion, kind, type LocalMode } from './kube-proxy-schema.ts'

export interface AgentConfiguration {
  /** "" where the API server is found otherwise. */
  readonly kubeconfig: string
  readonly nodeName: string
  /** "" where the node's name comes from its environment. */
  readonly hostnameOverride: string
  /** As in kube-proxy, not an address to listen on: unless unspecified, the node's primary IP of its family. */
  readonly bindAddress: string
  readonly bindAddressHardFail: boolean
  /** null: not served. */
  readonly healthzBindAddress: Address | null
  readonly metricsBindAddress: Address | null
  readonly clusterCidrs: readonly Cidr[]
  readonly detectLocalMode: LocalMode | null
  /** As picked at the start, where it was left to the program. */
  readonly vipMode: VipMode
  readonly vipExclude: readonly Cidr[]
  readonly nodePortRanges: readonly NodePortRange[]
  /** null: left as it is. */
  readonly oomScoreAdj: number | null
  readonly logFormat: LogFormat
  readonly logLevel: LogLevel
  /** "-": standard output; null: none. */
  readonly accessLog: string | null
  readonly accessLogFormat: AccessLogFormat
  /** The share of connections that have a line, of those that ended as they should. */
  readonly accessLogSample: number
  readonly metricsPerService: boolean
  /** The defaults for every Service without annotations. */
  readonly proxySettings: ProxySettings
  readonly earlyRetry: boolean
  /** Consecutive failures that set an endpoint aside; 0: never. */
  readonly passiveHealthFailures: number
  readonly allowLoopbackEndpoints: boolean
  readonly minSyncPeriodMs: number
  readonly halfClosedTimeoutMs: number
  readonly udpIdleTimeoutMs: number
  readonly udpStreamTimeoutMs: number
  readonly maxUdpFlows: number
  /** null: no limit. */
  readonly maxConnectionsPerClient: number | null
  /** Processes that proxy; 0: the agent itself. */
  readonly workers: number
  /** null: none. */
  readonly stateDir: string | null
  readonly shutdownTimeoutMs: number
  readonly orphanGraceMs: number
}

/**
 * Whose clients count as on this node, for Services with externalTrafficPolicy Local; empty: those of the node
 * object's spec.podCIDRs. kube-proxy's default mode is ClusterCIDR, which without a cluster CIDR knows no local client
 * at all, where we know the node's. The two interface modes end there, too: a socket doesn't tell which interface a
 * client came through.
 */
export function podCidrsOf({
  clusterCidrs,
  detectLocalMode,
}: Pick<AgentConfiguration, 'clusterCidrs' | 'detectLocalMode'>): readonly string[] {
  const byCidr = detectLocalMode === null || detectLocalMode === 'ClusterCIDR'
  return byCidr ? clusterCidrs.map(({ text }) => text) : []
}

/** The address that --bind-address puts in the place of the node's primary one, or null. */
export function nodeIpOf({ bindAddress }: Pick<AgentConfiguration, 'bindAddress'>): string | null {
  return bindAddress === '0.0.0.0' || bindAddress === '::' ? null : bindAddress
}

/** The body of /configz: kube-proxy's key with kube-proxy's fields, and ours. */
export function configz(configuration: AgentConfiguration): Readonly<Record<string, unknown>> {
  return {
    'kubeproxy.config.k8s.io': kubeProxyConfigurationOf(configuration),
    'kube-relay': ownConfigurationOf(configuration),
  }
}

/** The effective values as a KubeProxyConfiguration object. */
export function kubeProxyConfigurationOf(
  configuration: AgentConfiguration,
): Readonly<Record<string, unknown>> {
  const { kubeconfig, hostnameOverride, oomScoreAdj, logFormat, logLevel } = configuration
  return {
    apiVersion,
    kind,
    bindAddress: configuration.bindAddress,
    bindAddressHardFail: configuration.bindAddressHardFail,
    clientConnection: { kubeconfig },
    clusterCIDR: configuration.clusterCidrs.map(({ text }) => text).join(','),
    detectLocalMode: configuration.detectLocalMode ?? '',
    healthzBindAddress: textOf(configuration.healthzBindAddress),
    hostnameOverride,
    logging: { format: logFormat, verbosity: logLevel === 'debug' ? debugVerbosity : 0 },
    metricsBindAddress: textOf(configuration.metricsBindAddress),
    mode: 'userspace',
    nodePortAddresses: configuration.nodePortRanges.map(range => (range === 'primary' ? range : range.text)),
    ...(oomScoreAdj === null ? {} : { oomScoreAdj }),
  }
}

/** kube-proxy's verbosity from which on our `debug` is meant; below it, `info`. */
export const debugVerbosity = 4

function ownConfigurationOf(configuration: AgentConfiguration): Readonly<Record<string, unknown>> {
  const { proxySettings } = configuration
  return {
    nodeName: configuration.nodeName,
    vipMode: configuration.vipMode,
    vipExclude: configuration.vipExclude.map(({ text }) => text),
    allowLoopbackEndpoints: configuration.allowLoopbackEndpoints,
    balance: proxySettings.balance,
    proxyProtocol: proxySettings.proxyProtocol ?? 'off',
    maxConnections: proxySettings.maxConnections ?? 0,
    drainTimeout: formatDuration(proxySettings.drainTimeoutMs ?? 0),
    maxConnectionAge: formatDuration(proxySettings.maxConnectionAgeMs ?? 0),
    earlyRetry: configuration.earlyRetry ? 'safe' : 'off',
    passiveHealth: configuration.passiveHealthFailures > 0 ? 'on' : 'off',
    passiveHealthFailures: configuration.passiveHealthFailures,
    minSyncPeriod: formatDuration(configuration.minSyncPeriodMs),
    halfClosedTimeout: formatDuration(configuration.halfClosedTimeoutMs),
    udpIdleTimeout: formatDuration(configuration.udpIdleTimeoutMs),
    udpStreamTimeout: formatDuration(configuration.udpStreamTimeoutMs),
    maxUdpFlows: configuration.maxUdpFlows,
    maxConnectionsPerClient: configuration.maxConnectionsPerClient ?? 0,
    workers: configuration.workers,
    stateDir: configuration.stateDir ?? 'off',
    shutdownTimeout: formatDuration(configuration.shutdownTimeoutMs),
    orphanGrace: formatDuration(configuration.orphanGraceMs),
    logLevel: configuration.logLevel,
    accessLog: configuration.accessLog ?? 'off',
    accessLogFormat: configuration.accessLogFormat,
    accessLogSample: configuration.accessLogSample,
    metricsPerService: configuration.metricsPerService ? 'on' : 'off',
  }
}

function textOf(address: Address | null): string {
  return address === null ? '' : formatAddress(address.ip, address.port)
}

// From what was given to what the agent runs with: a flag on the command line wins over the --config file, the file
// over the default. (In kube-proxy, most flags have no effect beside --config.)

import type { Command } from 'commander'
import type { AgentOptions } from '../lib/agent.ts'
import { defaultBindAddresses } from '../lib/config/bind-address.ts'
import {
  debugVerbosity,
  podCidrsOf,
  nodeIpOf,
  configz,
  type AgentConfiguration,
} from '../lib/config/agent-configuration.ts'
import { loadKubeProxyConfiguration } from '../lib/config/kube-proxy-configuration.ts'
import { NodePortAddresses } from '../lib/control/node-port-addresses.ts'
import type { VipMode } from '../lib/model/vip-mode.ts'
import type { LogFormat, LogLevel } from '../lib/ops/log.ts'
import { ownCommand } from '../lib/own-program.ts'
import { defaultPassiveHealth } from '../lib/policy/passive-health.ts'
import { accessLogConfigurationFrom, type AccessLogFlags } from './access-log-flags.ts'
import type { LogFlags, NodeFlags, ProxyFlags } from './flags.ts'
import type { LifeCycleFlags } from './life-cycle-flags.ts'
import { ignoredFlagsOf } from './ignored-flags.ts'
import type { HardFailFlags, ServerFlags } from './server-flags.ts'
import type { VipFlags } from './vip-flags.ts'

/**
 * Remembers the options as the command line gave them; what it returns makes them so again, for a file that is to be
 * read anew.
 */
export function rememberOptions(command: Command): () => void {
  const given = command.options.map(option => {
    const name = option.attributeName()
    return [name, command.getOptionValue(name) as unknown, command.getOptionValueSource(name)] as const
  })
  return () => {
    for (const [name, value, source] of given) command.setOptionValueWithSource(name, value, source)
  }
}

/** Sets each option that the command line leaves alone; returns what to tell the reader of the log. */
export async function applyConfigFile(
  command: Command,
  file: string | undefined,
): Promise<readonly string[]> {
  const notes: string[] = []
  const ignored = ignoredFlagsOf(command)
  if (ignored.length > 0) notes.push(`flags without a meaning for a userspace proxy: ${ignored.join(', ')}`)
  if (file === undefined) return notes
  const { values, ignored: fields } = await loadKubeProxyConfiguration(file)
  for (const [name, value] of Object.entries(values)) {
    if (!isGiven(command, name)) command.setOptionValueWithSource(name, value, 'config')
  }
  if (fields.length > 0) {
    notes.push(`${file}: set, but without a meaning for a userspace proxy: ${fields.join(', ')}`)
  }
  return notes
}

/** kube-proxy's rules for its servers' addresses: deprecated port flags, and defaults of --bind-address's family. */
export function applyBindAddressRules(command: Command): readonly string[] {
  const flags = command.opts<NodeFlags & ServerFlags & HardFailFlags>()
  const defaults = defaultBindAddresses(flags.bindAddress)
  const notes: string[] = []
  for (const server of ['healthz', 'metrics'] as const) {
    const name = `${server}BindAddress`
    const port = flags[`${server}Port`]
    if (port !== undefined) notes.push(`--${server}-port is deprecated: use --${server}-bind-address`)
    // As in kube-proxy, a port alone counts where no address is given, neither here nor in a file; 0 always.
    if (port === 0 && command.getOptionValueSource(name) !== 'config') {
      command.setOptionValueWithSource(name, 'off', 'cli')
    } else if (command.getOptionValueSource(name) === 'default') {
      const address = defaults[server]
      command.setOptionValueWithSource(name, port ? { ...address, port } : address, 'default')
    }
  }
  if (flags.detectLocalMode === 'BridgeInterface' || flags.detectLocalMode === 'InterfaceNamePrefix') {
    notes.push(
      `detect-local-mode ${flags.detectLocalMode}: a socket doesn't tell its interface, the node's podCIDRs count`,
    )
  }
  return notes
}

/** The level and format that hold: our own flags before kube-proxy's, those of the command line before a file's. */
export function logSettingsFrom(command: Command): { readonly level: LogLevel; readonly format: LogFormat } {
  const { logLevel, logFormat, loggingFormat, v } = command.opts<LogFlags>()
  const talkative = v !== undefined && v >= debugVerbosity
  return {
    level: talkative && !isGiven(command, 'logLevel') ? 'debug' : logLevel,
    format: isGiven(command, 'logFormat') ? logFormat : (loggingFormat ?? logFormat),
  }
}

export function configurationFrom(
  command: Command,
  node: {
    readonly name: string
    readonly allowLoopbackEndpoints: boolean
    readonly stateDir: string | null
    readonly vipMode: VipMode
  },
): AgentConfiguration {
  type Flags = ProxyFlags &
    LifeCycleFlags &
    ServerFlags &
    AccessLogFlags &
    Partial<NodeFlags & HardFailFlags & VipFlags> & { kubeconfig?: string }
  const flags = command.opts<Flags>()
  const { level, format } = logSettingsFrom(command)
  return {
    kubeconfig: flags.kubeconfig ?? '',
    nodeName: node.name,
    hostnameOverride: flags.hostnameOverride ?? '',
    bindAddress: flags.bindAddress ?? '0.0.0.0',
    bindAddressHardFail: flags.bindAddressHardFail ?? false,
    healthzBindAddress: flags.healthzBindAddress === 'off' ? null : flags.healthzBindAddress,
    metricsBindAddress: flags.metricsBindAddress === 'off' ? null : flags.metricsBindAddress,
    clusterCidrs: flags.clusterCidr ?? [],
    detectLocalMode: flags.detectLocalMode ?? null,
    vipMode: node.vipMode,
    vipExclude: flags.vipExclude ?? [],
    nodePortRanges: flags.nodeportAddresses,
    oomScoreAdj: flags.oomScoreAdj ?? null,
    logFormat: format,
    logLevel: level,
    ...accessLogConfigurationFrom(flags),
    metricsPerService: flags.metricsPerService === 'on',
    proxySettings: {
      balance: flags.balance,
      proxyProtocol: flags.proxyProtocol.value,
      maxConnections: flags.maxConnections.value,
      drainTimeoutMs: flags.drainTimeout.value,
      maxConnectionAgeMs: flags.maxConnectionAge.value,
    },
    earlyRetry: flags.earlyRetry === 'safe',
    passiveHealthFailures: flags.passiveHealth === 'on' ? flags.passiveHealthFailures : 0,
    allowLoopbackEndpoints: node.allowLoopbackEndpoints,
    minSyncPeriodMs: flags.minSyncPeriod,
    halfClosedTimeoutMs: flags.halfClosedTimeout,
    udpIdleTimeoutMs: flags.udpIdleTimeout,
    udpStreamTimeoutMs: flags.udpStreamTimeout,
    maxUdpFlows: flags.maxUdpFlows,
    maxConnectionsPerClient: flags.maxConnectionsPerClient.value,
    workers: flags.workers,
    stateDir: node.stateDir,
    shutdownTimeoutMs: flags.shutdownTimeout,
    orphanGraceMs: flags.orphanGrace,
  }
}

/** The agent's options that come from its configuration as they are. */
export function agentOptionsFrom(
  configuration: AgentConfiguration,
): Omit<AgentOptions, 'access' | 'source' | 'log'> {
  return {
    nodeName: configuration.nodeName,
    defaults: configuration.proxySettings,
    passiveHealth: { ...defaultPassiveHealth, failures: configuration.passiveHealthFailures },
    earlyRetry: configuration.earlyRetry,
    maxConnectionsPerClient: configuration.maxConnectionsPerClient,
    nodePortAddresses: new NodePortAddresses(configuration.nodePortRanges),
    nodeIp: nodeIpOf(configuration),
    clusterCidrs: podCidrsOf(configuration),
    vipMode: configuration.vipMode,
    vipExclude: configuration.vipExclude,
    allowLoopbackEndpoints: configuration.allowLoopbackEndpoints,
    minSyncIntervalMs: configuration.minSyncPeriodMs,
    halfClosedTimeoutMs: configuration.halfClosedTimeoutMs,
    udp: {
      idleMs: configuration.udpIdleTimeoutMs,
      streamIdleMs: configuration.udpStreamTimeoutMs,
      maxFlows: configuration.maxUdpFlows,
    },
    workers:
      configuration.workers === 0
        ? null
        : {
            count: configuration.workers,
            command: ownCommand(['worker'], { nodeOptions: process.execArgv }),
            log: { level: configuration.logLevel, format: configuration.logFormat },
            orphanGraceMs: configuration.orphanGraceMs,
            shutdownTimeoutMs: configuration.shutdownTimeoutMs,
          },
    stateDir: configuration.stateDir,
    accessLog:
      configuration.accessLog === null
        ? null
        : {
            path: configuration.accessLog,
            format: configuration.accessLogFormat,
            sample: configuration.accessLogSample,
            node: configuration.nodeName,
          },
    metricsPerService: configuration.metricsPerService,
    metricsBindAddress: configuration.metricsBindAddress,
    healthzBindAddress: configuration.healthzBindAddress,
    configz: configz(configuration),
  }
}

function isGiven(command: Command, name: string): boolean {
  return command.getOptionValueSource(name) === 'cli'
}

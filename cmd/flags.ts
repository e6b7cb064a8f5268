// The flags that have an effect, in the groups that help shows them in. `run` has all of them, other commands some.

import os from 'node:os'
import { Option, type Command } from 'commander'
import { localModes, type LocalMode } from '../lib/config/kube-proxy-schema.ts'
import type { Cidr } from '../lib/model/cidr.ts'
import { RelayError } from '../lib/model/error.ts'
import type { NodePortRange } from '../lib/model/node-port-ranges.ts'
import {
  balancePolicies,
  readMaxConnections,
  readProxyProtocol,
  readTimeout,
  type BalancePolicy,
} from '../lib/model/proxy-settings.ts'
import { createLog, logLevels, type Log, type LogFormat, type LogLevel } from '../lib/ops/log.ts'
import { defaultPassiveHealth } from '../lib/policy/passive-health.ts'
import {
  parseCount,
  parseDuration,
  parseIp,
  parseNodePortRanges,
  parseOomScore,
  parsePodCidrs,
  parseSetting,
  parseVerbosity,
  type Setting,
} from './flag-values.ts'

export interface ClusterFlags {
  readonly kubeconfig?: string
  readonly context?: string
  readonly master?: string
}

export function addClusterFlags(command: Command): Command {
  return command
    .optionsGroup('Cluster:')
    .option(
      '--kubeconfig <file>',
      'how to reach the API server (default: $KUBECONFIG, else the service account)',
    )
    .option('--context <name>', "the kubeconfig's context to use (default: its current-context)")
    .option('--master <url>', "the API server's URL; overrides the kubeconfig's")
}

/** Flags about the node itself. */
export interface NodeFlags {
  readonly hostnameOverride?: string
  readonly bindAddress: string
  readonly clusterCidr: readonly Cidr[]
  readonly detectLocalMode?: LocalMode
  readonly oomScoreAdj?: number
}

export function addNodeFlags(command: Command): Command {
  return command
    .optionsGroup('Node:')
    .option('--hostname-override <name>', "this node's name (default: $NODE_NAME, else the host's name)")
    .addOption(
      new Option(
        '--bind-address <ip>',
        "the node's primary IP, if not what its Node object says; nothing listens on it. " +
          'An IPv6 one makes health and metrics listen on IPv6',
      )
        .argParser(parseIp)
        .default('0.0.0.0'),
    )
    .addOption(
      new Option(
        '--cluster-cidr <cidrs>',
        "whose clients count as on this node for externalTrafficPolicy Local (default: the node's podCIDRs)",
      ).argParser(parsePodCidrs),
    )
    .addOption(
      new Option(
        '--detect-local-mode <mode>',
        'NodeCIDR ignores --cluster-cidr; the interface modes mean NodeCIDR here (default: ClusterCIDR)',
      ).choices(localModes),
    )
    .addOption(
      new Option(
        '--oom-score-adj <n>',
        "this process's oom_score_adj, from -1000 to 1000 (default: left as it is)",
      ).argParser(parseOomScore),
    )
}

/** Flags of `run` and `dev` about proxying. */
export interface ProxyFlags {
  readonly balance: BalancePolicy
  readonly nodeportAddresses: readonly NodePortRange[]
  readonly minSyncPeriod: number
  readonly proxyProtocol: Setting<'v1' | 'v2' | null>
  readonly maxConnections: Setting<number | null>
  readonly drainTimeout: Setting<number | null>
  readonly maxConnectionAge: Setting<number | null>
  readonly earlyRetry: 'safe' | 'off'
  readonly passiveHealth: 'on' | 'off'
  readonly passiveHealthFailures: number
  readonly halfClosedTimeout: number
  readonly udpIdleTimeout: number
  readonly udpStreamTimeout: number
  readonly maxUdpFlows: number
  readonly maxConnectionsPerClient: Setting<number | null>
}

export function addProxyFlags(command: Command, defaults: { readonly nodePortAddresses: string }): Command {
  const duration = (flag: string, text: string, value: string): Option =>
    new Option(`--${flag} <duration>`, text).argParser(parseDuration).default(parseDuration(value), value)
  const ranges = parseNodePortRanges(defaults.nodePortAddresses)
  command
    .optionsGroup('Proxying:')
    .addOption(
      new Option(
        '--nodeport-addresses <list>',
        'node addresses that get NodePorts: CIDRs, primary, localhost, all; comma-separated',
      )
        .argParser(parseNodePortRanges)
        .default(ranges, defaults.nodePortAddresses || 'all'),
    )
    .addOption(duration('min-sync-period', 'a burst of changes is applied at most this often', '100ms'))
    .addOption(
      duration('half-closed-timeout', 'end a half-closed connection that is idle for this long', '1h'),
    )
    .addOption(duration('udp-idle-timeout', 'forget a UDP client that is silent for this long', '30s'))
    .addOption(duration('udp-stream-timeout', 'the same after two seconds of traffic both ways', '120s'))
    .addOption(
      new Option('--max-udp-flows <n>', 'UDP clients at a time; the longest silent one makes room')
        .argParser(parseCount)
        .default(8192),
    )
    .addOption(
      new Option(
        '--max-connections-per-client <n>',
        'TCP connections of one client address at a time; further ones are reset; 0 = no limit',
      )
        .argParser(parseSetting(readMaxConnections))
        .default({ value: null }, '0'),
    )
    .addOption(
      new Option(
        '--early-retry <mode>',
        'safe: an endpoint that resets before more than a replayable request was sent is replaced by another',
      )
        .choices(['safe', 'off'])
        .default('safe'),
    )
    .addOption(
      new Option('--passive-health <mode>', 'set endpoints aside for a while when dials to them keep failing')
        .choices(['on', 'off'])
        .default('on'),
    )
    .addOption(
      new Option('--passive-health-failures <n>', 'consecutive failures that set an endpoint aside')
        .argParser(parseCount)
        .default(defaultPassiveHealth.failures),
    )
  return addServiceFlags(command)
}

function addServiceFlags(command: Command): Command {
  const timeout = (flag: string, text: string): Option =>
    new Option(`--${flag} <duration>`, text)
      .argParser(parseSetting(readTimeout))
      .default({ value: null }, 'never')
  return command
    .optionsGroup('Defaults for Services (an annotation kube-relay/<flag> changes one):')
    .addOption(
      new Option('--balance <policy>', 'how an endpoint is picked')
        .choices(balancePolicies)
        .default('round-robin'),
    )
    .addOption(
      new Option('--proxy-protocol <version>', 'the PROXY header that TCP endpoints get: off, v1 or v2')
        .argParser(parseSetting(readProxyProtocol))
        .default({ value: null }, 'off'),
    )
    .addOption(
      new Option('--max-connections <n>', 'TCP connections of a service at a time; 0 = no limit')
        .argParser(parseSetting(readMaxConnections))
        .default({ value: null }, '0'),
    )
    .addOption(timeout('drain-timeout', 'end connections to an endpoint that is gone after this long'))
    .addOption(timeout('max-connection-age', 'end connections at this age (±10 %), so that clients spread'))
}

export interface LogFlags {
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
  readonly loggingFormat?: LogFormat
  readonly v?: number
}

export function addLogFlags(command: Command, level: LogLevel): Command {
  return command
    .optionsGroup('Logging:')
    .addOption(
      new Option('--log-level <level>', 'least severe level to log').choices(logLevels).default(level),
    )
    .addOption(
      new Option('--log-format <format>', 'text for people, json for machines (--logging-format is the same)')
        .choices(['text', 'json'])
        .default(process.stderr.isTTY ? 'text' : 'json', 'text on a terminal, else json'),
    )
    .addOption(new Option('--logging-format <format>').choices(['text', 'json']).hideHelp())
    .addOption(
      new Option('-v, --v <n>', "kube-proxy's verbosity: from 4 on, debug is logged").argParser(
        parseVerbosity,
      ),
    )
}

export function logFrom({ level, format }: { readonly level: LogLevel; readonly format: LogFormat }): Log {
  return createLog({ level, format })
}

/** This node's name in the API: the flag, else the downward API's variable, else the host's name. */
export function nodeNameFrom(hostnameOverride: string | undefined): string {
  const name = (hostnameOverride || process.env['NODE_NAME'] || os.hostname()).trim().toLowerCase()
  if (name === '') throw new RelayError('INVALID_CONFIG', '--hostname-override: a blank name is no name')
  return name
}

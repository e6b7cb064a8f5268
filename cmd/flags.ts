// What flags have in common: how their values are written and read, and the flags that several commands share.

import os from 'node:os'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { NodePortAddresses, parseCidr } from '../lib/control/node-port-addresses.ts'
import { canonicalIp, type Address } from '../lib/model/address.ts'
import { reasonOf } from '../lib/model/error.ts'
import { createLog, logLevels, type Log, type LogFormat, type LogLevel } from '../lib/ops/log.ts'
import { balancerNames, type BalancerName } from '../lib/policy/balancer.ts'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration as Kubernetes' flags write it ("250ms", "1h30m", "2s"), in milliseconds. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  const total = parts.reduce((sum, [, number, unit]) => sum + Number(number) * (unitMs[unit ?? ''] ?? 0), 0)
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text || total <= 0) {
    throw new InvalidArgumentError('Expected a duration such as 500ms, 30s or 1h30m.')
  }
  return total
}

/** "IP:PORT", or null for "" and "off". Port 0 asks the system for a free one. */
export function parseBindAddress(text: string): Address | null {
  if (text === '' || text === 'off') return null
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text)
  const ip = canonicalIp(match?.[1] ?? (match?.[2] === 'localhost' ? '127.0.0.1' : (match?.[2] ?? '')))
  const port = Number(match?.[3])
  if (ip === null || !Number.isInteger(port) || port > 65_535) {
    throw new InvalidArgumentError('Expected IP:PORT such as 127.0.0.1:10249 or [::1]:10249, or "off".')
  }
  return { ip, port }
}

export function parseCount(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1)
    throw new InvalidArgumentError('Expected a whole number above 0.')
  return Number(text)
}

function parseNodePortAddresses(text: string): NodePortAddresses {
  try {
    const cidrs = text === '' ? [] : text.split(',')
    return new NodePortAddresses(cidrs.map(cidr => parseCidr(cidr, '--nodeport-addresses')))
  } catch (error) {
    throw new InvalidArgumentError(reasonOf(error))
  }
}

/** Flags of `run` and `dev` about proxying. */
export interface ProxyFlags {
  readonly balance: BalancerName
  readonly nodeportAddresses: NodePortAddresses
  readonly minSyncPeriod: number
  readonly halfClosedTimeout: number
  readonly udpIdleTimeout: number
  readonly udpStreamTimeout: number
  readonly maxUdpFlows: number
  readonly metricsBindAddress: Address | null
  readonly healthzBindAddress: Address | null
}

export function addProxyFlags(
  command: Command,
  defaults: { readonly nodePortAddresses: string; readonly healthz: string },
): Command {
  const duration = (flag: string, text: string, value: string): Option =>
    new Option(`--${flag} <duration>`, text).argParser(parseDuration).default(parseDuration(value), value)
  return command
    .addOption(
      new Option('--balance <policy>', 'how an endpoint is picked')
        .choices(balancerNames)
        .default('round-robin'),
    )
    .addOption(
      new Option(
        '--nodeport-addresses <cidrs>',
        'comma-separated CIDRs of the node addresses that get NodePorts',
      )
        .argParser(parseNodePortAddresses)
        .default(parseNodePortAddresses(defaults.nodePortAddresses), defaults.nodePortAddresses || 'all'),
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
      new Option('--metrics-bind-address <ip:port>', 'where /status is served; "off" for nowhere')
        .argParser(parseBindAddress)
        .default(parseBindAddress('127.0.0.1:10249'), '127.0.0.1:10249'),
    )
    .addOption(
      new Option(
        '--healthz-bind-address <ip:port>',
        'where /healthz and /livez are served; "off" for nowhere',
      )
        .argParser(parseBindAddress)
        .default(parseBindAddress(defaults.healthz), defaults.healthz),
    )
}

/** The agent's options that come from its flags as they are. */
export function agentOptionsFrom(flags: ProxyFlags) {
  return {
    balancer: flags.balance,
    nodePortAddresses: flags.nodeportAddresses,
    minSyncIntervalMs: flags.minSyncPeriod,
    halfClosedTimeoutMs: flags.halfClosedTimeout,
    udp: { idleMs: flags.udpIdleTimeout, streamIdleMs: flags.udpStreamTimeout, maxFlows: flags.maxUdpFlows },
    metricsBindAddress: flags.metricsBindAddress,
    healthzBindAddress: flags.healthzBindAddress,
  }
}

export interface LogFlags {
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

export function addLogFlags(command: Command, level: LogLevel): Command {
  return command
    .addOption(
      new Option('--log-level <level>', 'least severe level to log').choices(logLevels).default(level),
    )
    .addOption(
      new Option('--log-format <format>', 'text for people, json for machines')
        .choices(['text', 'json'])
        .default(process.stderr.isTTY ? 'text' : 'json', 'text on a terminal, else json'),
    )
}

export function logFrom(flags: LogFlags): Log {
  return createLog({ level: flags.logLevel, format: flags.logFormat })
}

export interface ClusterFlags {
  readonly kubeconfig?: string
  readonly context?: string
  readonly master?: string
}

export function addClusterFlags(command: Command): Command {
  return command
    .option(
      '--kubeconfig <file>',
      'how to reach the API server (default: $KUBECONFIG, else the service account)',
    )
    .option('--context <name>', "the kubeconfig's context to use (default: its current-context)")
    .option('--master <url>', "the API server's URL; overrides the kubeconfig's")
}

/** This node's name in the API: the flag, else the downward API's variable, else the host's name. */
export function nodeNameFrom(hostnameOverride: string | undefined): string {
  return (hostnameOverride ?? process.env['NODE_NAME'] ?? os.hostname()).trim().toLowerCase()
}

// kube-relay run: the agent, for a cluster's API server or for a folder of manifests.

import { Command, Option } from 'commander'
import { startAgent, type Agent } from '../lib/agent.ts'
import { loadClusterAccess } from '../lib/kube/load-cluster-access.ts'
import { RelayError } from '../lib/model/error.ts'
import type { Address } from '../lib/model/address.ts'
import type { Log } from '../lib/ops/log.ts'
import { startStandalone } from '../lib/standalone-agent.ts'
import {
  addClusterFlags,
  addLogFlags,
  addProxyFlags,
  agentOptionsFrom,
  logFrom,
  nodeNameFrom,
  parseBindAddress,
  type ClusterFlags,
  type LogFlags,
  type ProxyFlags,
} from './flags.ts'
import { untilStopped } from './until-stopped.ts'

interface RunFlags extends ClusterFlags, ProxyFlags, LogFlags {
  readonly manifests?: string
  readonly serviceClusterIpRange: string
  readonly apiBindAddress: Address | null
  readonly hostnameOverride?: string
  readonly allowLoopbackEndpoints: boolean
}

export function runCommand(): Command {
  const command = new Command('run').description('run the agent that proxies on this node')
  addClusterFlags(command)
    .option('--manifests <dir>', 'serve the YAML manifests of a folder (or file) instead of a cluster')
    .option(
      '--service-cluster-ip-range <cidrs>',
      'with --manifests: where cluster IPs come from',
      '127.96.0.0/16',
    )
    .addOption(
      new Option('--api-bind-address <ip:port>', 'with --manifests: where the embedded API server listens')
        .argParser(parseBindAddress)
        .default(parseBindAddress('127.0.0.1:0'), '127.0.0.1, any free port'),
    )
    .option('--hostname-override <name>', "this node's name (default: $NODE_NAME, else the host's name)")
    .option(
      '--allow-loopback-endpoints',
      'dial endpoints on 127.0.0.0/8 and ::1 (for tests: any tenant may name them)',
      false,
    )
    .addOption(
      new Option('--vip-mode <mode>', 'who makes the VIPs local: none = they are already')
        .choices(['none'])
        .default('none'),
    )
    .addOption(
      new Option('--workers <n>', 'processes that proxy: 0 = the agent itself').choices(['0']).default('0'),
    )
  addProxyFlags(command, { nodePortAddresses: '', healthz: '0.0.0.0:10256' })
  addLogFlags(command, 'info')
  return command.addHelpText('after', examples).action(run)
}

const examples = `
Examples:
  kube-relay run --kubeconfig /etc/kube-relay/kubeconfig
  kube-relay run --master https://10.0.0.1:6443           with the pod's service account
  kube-relay run --manifests ./services --allow-loopback-endpoints
  kube-relay run --nodeport-addresses 10.0.0.0/8,127.0.0.0/8 --balance random`

async function run(flags: RunFlags): Promise<void> {
  const log = logFrom(flags)
  const nodeName = nodeNameFrom(flags.hostnameOverride)
  const running =
    flags.manifests === undefined
      ? await runForCluster(flags, nodeName, log)
      : await runForManifests(flags, flags.manifests, nodeName, log)
  await untilStopped()
  log.info('stopping')
  await running.close()
}

async function runForCluster(flags: RunFlags, nodeName: string, log: Log): Promise<Agent> {
  const access = await loadClusterAccess({ ...flags, env: process.env })
  log.info({ node: nodeName, server: access.server.href }, `kube-relay starts, using ${access.describe}`)
  return startAgent({
    ...agentOptionsFrom(flags),
    allowLoopbackEndpoints: flags.allowLoopbackEndpoints,
    nodeName,
    log,
    access,
    source: 'apiserver',
  })
}

async function runForManifests(
  flags: RunFlags,
  path: string,
  nodeName: string,
  log: Log,
): Promise<{ close(): Promise<void> }> {
  if (flags.kubeconfig !== undefined || flags.master !== undefined) {
    throw new RelayError(
      'INVALID_CONFIG',
      '--manifests serves without a cluster: leave out --kubeconfig and --master',
    )
  }
  log.info({ node: nodeName, manifests: path }, 'kube-relay starts with its own control plane')
  return startStandalone({
    ...agentOptionsFrom(flags),
    nodeName,
    log,
    manifests: path,
    serviceCidrs: flags.serviceClusterIpRange.split(','),
    api: flags.apiBindAddress ?? { ip: '127.0.0.1', port: 0 },
    allowLoopbackEndpoints: flags.allowLoopbackEndpoints,
    samplePodCommand: null,
  })
}

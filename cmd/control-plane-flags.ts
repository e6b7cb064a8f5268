// The flags about the embedded control plane, of `dev` and of `run` without a cluster.

import { Option, type Command } from 'commander'
import type { StandaloneOptions } from '../lib/standalone-agent.ts'
import { parseBindAddress, type BindAddress } from './flag-values.ts'

export interface ControlPlaneFlags {
  readonly manifests?: string
  readonly dataFile?: string
  readonly serviceClusterIpRange: string
  readonly loadBalancerPool?: string
  readonly apiBindAddress: BindAddress
  readonly dnsAddress: BindAddress
}

/** `manifests`: what --help says of the folder that is meant without `--manifests`. */
export function addControlPlaneFlags(
  command: Command,
  { group, manifests }: { readonly group: string; readonly manifests?: string },
): Command {
  const usual = manifests === undefined ? '' : ` (default: ${manifests})`
  return command
    .optionsGroup(group)
    .option(
      '--manifests <dir>',
      `a folder (or file) of YAML manifests to serve; editing a file there applies it${usual}`,
    )
    .option('--data-file <file>', 'keep what is written through the API in this file, over restarts')
    .option('--service-cluster-ip-range <cidrs>', 'where cluster IPs come from', '127.96.0.0/16')
    .option(
      '--load-balancer-pool <cidrs>',
      'where the addresses of LoadBalancer Services come from; without it they stay pending',
    )
    .addOption(
      new Option('--api-bind-address <ip:port>', 'where the embedded API server listens')
        .argParser(parseBindAddress(0))
        .default({ ip: '127.0.0.1', port: 0 }, '127.0.0.1, any free port'),
    )
    .addOption(
      new Option(
        '--dns-address <ip:port>',
        'where Services are answered by name, over UDP and TCP (web.default.svc.cluster.local)',
      )
        .argParser(parseBindAddress(53))
        .default('off', 'off'),
    )
}

/** What the flags say, as the standalone agent takes it. */
export function controlPlaneOptionsFrom(
  flags: ControlPlaneFlags,
): Pick<StandaloneOptions, 'manifests' | 'dataFile' | 'serviceCidrs' | 'loadBalancerPool' | 'api' | 'dns'> {
  const { manifests, dataFile, serviceClusterIpRange, loadBalancerPool, apiBindAddress, dnsAddress } = flags
  return {
    manifests: manifests ?? null,
    dataFile: dataFile ?? null,
    serviceCidrs: serviceClusterIpRange.split(','),
    loadBalancerPool: loadBalancerPool?.split(',') ?? [],
    api: apiBindAddress === 'off' ? { ip: '127.0.0.1', port: 0 } : apiBindAddress,
    dns: dnsAddress === 'off' ? null : dnsAddress,
  }
}

// kube-relay run: the agent, for a cluster's API server or for a folder of manifests.

import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { stringify } from 'yaml'
import { startAgent, type Agent } from '../lib/agent.ts'
import { kubeProxyConfigurationOf, type AgentConfiguration } from '../lib/config/agent-configuration.ts'
import { loadClusterAccess } from '../lib/kube/load-cluster-access.ts'
import { formatAddress } from '../lib/model/address.ts'
import { RelayError, reasonOf } from '../lib/model/error.ts'
import type { Log } from '../lib/ops/log.ts'
import { setOomScoreAdj } from '../lib/ops/oom-score.ts'
import { tryBind } from '../lib/ops/try-bind.ts'
import {
  agentOptionsFrom,
  applyBindAddressRules,
  applyConfigFile,
  configurationFrom,
  logSettingsFrom,
} from './configuration.ts'
import {
  addControlPlaneFlags,
  controlPlaneOptionsFrom,
  type ControlPlaneFlags,
} from './control-plane-flags.ts'
import { parseBoolean } from './flag-values.ts'
import {
  addClusterFlags,
  addLogFlags,
  addNodeFlags,
  addProxyFlags,
  logFrom,
  nodeNameFrom,
  type ClusterFlags,
  type NodeFlags,
} from './flags.ts'
import { addIgnoredFlags } from './ignored-flags.ts'
import { addHardFailFlags, addServerFlags } from './server-flags.ts'
import { untilStopped } from './until-stopped.ts'

interface RunFlags extends ClusterFlags, NodeFlags, ControlPlaneFlags {
  readonly config?: string
  readonly writeConfigTo?: string
  readonly cleanup: boolean
  readonly initOnly: boolean
  readonly allowLoopbackEndpoints: boolean
}

type AgentOptions = ReturnType<typeof agentOptionsFrom>

export function runCommand(): Command {
  const command = new Command('run').description('run the agent that proxies on this node')
  command
    .optionsGroup('Configuration:')
    .option('--config <file>', 'a KubeProxyConfiguration; a flag on the command line wins over it')
    .option(
      '--write-config-to <file>',
      'write what flags, file and defaults come to as a KubeProxyConfiguration, and exit',
    )
  addClusterFlags(command)
  addNodeFlags(command)
  addProxyFlags(command, { nodePortAddresses: '' })
    .optionsGroup('Proxying:')
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
  addHardFailFlags(addServerFlags(command, { healthz: 'on' }))
  addLogFlags(command, 'info')
  addControlPlaneFlags(command, { group: 'Without a cluster:' })
  addIgnoredFlags(addUselessActions(command))
  return command.addHelpText('after', examples).action(run)
}

/** What kube-proxy does once and ends: there are no kernel rules to remove, and nothing that takes root first. */
function addUselessActions(command: Command): Command {
  const action = (flag: string): Option =>
    new Option(`--${flag} [bool]`).argParser(parseBoolean).preset('true').default(false).hideHelp()
  return command.addOption(action('cleanup')).addOption(action('init-only'))
}

const examples = `
kube-proxy's other flags (--proxy-mode, --conntrack-*, --iptables-*, --ipvs-* …) are accepted and have no effect;
docs/COMPATIBILITY.md lists them.

Examples:
  kube-relay run --kubeconfig /etc/kube-relay/kubeconfig
  kube-relay run --config /var/lib/kube-proxy/config.conf --hostname-override node-1
  kube-relay run --master https://10.0.0.1:6443           with the pod's service account
  kube-relay run --manifests ./services --allow-loopback-endpoints
  kube-relay run --nodeport-addresses primary,localhost --balance random`

async function run(_: unknown, command: Command): Promise<void> {
  const { cleanup, initOnly, config } = command.opts<RunFlags>()
  if (cleanup || initOnly) {
    const what = cleanup ? '--cleanup: nothing to clean up' : '--init-only: nothing to initialise'
    process.stdout.write(`${what}, kube-relay leaves no rules in the kernel\n`)
    return
  }
  const notes = [...(await applyConfigFile(command, config)), ...applyBindAddressRules(command)]
  const flags = command.opts<RunFlags>()
  const configuration = configurationFrom(command, {
    name: nodeNameFrom(flags.hostnameOverride),
    allowLoopbackEndpoints: flags.allowLoopbackEndpoints,
  })
  if (flags.writeConfigTo !== undefined) {
    await writeConfig(flags.writeConfigTo, configuration)
    return
  }
  const log = logFrom(logSettingsFrom(command))
  for (const note of notes) log.info(note)
  if (configuration.bindAddressHardFail) await failUnlessFree(configuration)
  if (configuration.oomScoreAdj !== null) setOomScoreAdj(configuration.oomScoreAdj, log)
  const options = agentOptionsFrom(configuration)
  const running =
    flags.manifests === undefined && flags.dataFile === undefined
      ? await runForCluster(flags, options, log)
      : await runStandalone(flags, command, options, log)
  await untilStopped()
  log.info('stopping')
  await running.close()
}

async function writeConfig(file: string, configuration: AgentConfiguration): Promise<void> {
  try {
    await writeFile(file, stringify(kubeProxyConfigurationOf(configuration)))
  } catch (error) {
    throw new RelayError('INVALID_CONFIG', `--write-config-to: ${file} can't be written (${reasonOf(error)})`)
  }
  process.stdout.write(`wrote ${file}\n`)
}

/** --bind-address-hard-fail: without it, an address that is taken is tried again for as long as it takes. */
async function failUnlessFree(configuration: AgentConfiguration): Promise<void> {
  for (const [flag, at] of [
    ['--healthz-bind-address', configuration.healthzBindAddress],
    ['--metrics-bind-address', configuration.metricsBindAddress],
  ] as const) {
    const error = at === null ? null : await tryBind(at)
    if (at === null || error === null) continue
    const address = formatAddress(at.ip, at.port)
    throw new RelayError('ADDRESS', `${flag} ${address} can't be bound: ${reasonOf(error)}`, { cause: error })
  }
}

async function runForCluster(flags: RunFlags, options: AgentOptions, log: Log): Promise<Agent> {
  const access = await loadClusterAccess({ ...flags, env: process.env })
  const { nodeName } = options
  log.info({ node: nodeName, server: access.server.href }, `kube-relay starts, using ${access.describe}`)
  return startAgent({ ...options, log, access, source: 'apiserver' })
}

async function runStandalone(
  flags: RunFlags,
  command: Command,
  options: AgentOptions,
  log: Log,
): Promise<{ close(): Promise<void> }> {
  // A file's kubeconfig may stay: --manifests was written after it.
  if (command.getOptionValueSource('kubeconfig') === 'cli' || flags.master !== undefined) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${flags.manifests === undefined ? '--data-file' : '--manifests'} serves without a cluster: leave out --kubeconfig and --master`,
    )
  }
  log.info(
    { node: options.nodeName, manifests: flags.manifests, dataFile: flags.dataFile },
    'kube-relay starts with its own control plane',
  )
  // Not loaded for a cluster: the schemas of a whole API server are in it.
  const { startStandalone } = await import('../lib/standalone-agent.ts')
  return startStandalone({
    ...options,
    ...controlPlaneOptionsFrom(flags),
    log,
    samplePodCommand: null,
  })
}

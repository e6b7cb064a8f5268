// kube-relay run: the agent, for a cluster's API server or for a folder of manifests.

import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { stringify } from 'yaml'
import { kubeProxyConfigurationOf, type AgentConfiguration } from '../lib/config/agent-configuration.ts'
import { loadClusterAccess } from '../lib/kube/load-cluster-access.ts'
import { formatAddress } from '../lib/model/address.ts'
import { RelayError, reasonOf } from '../lib/model/error.ts'
import type { VipMode } from '../lib/model/vip-mode.ts'
import { systemClock } from '../lib/ops/clock.ts'
import type { Log } from '../lib/ops/log.ts'
import { setOomScoreAdj } from '../lib/ops/oom-score.ts'
import { openServiceManager } from '../lib/ops/service-manager.ts'
import { enableTcpMigrateReq } from '../lib/ops/tcp-migrate.ts'
import { tryBind } from '../lib/ops/try-bind.ts'
import { cleanUp } from '../lib/clean-up.ts'
import { startReloadableAgent } from '../lib/reloadable-agent.ts'
import { readNode } from '../lib/vip/node-readings.ts'
import { enableNonlocalBind } from '../lib/vip/nonlocal-bind.ts'
import { addAccessLogFlags, failUnlessWritable } from './access-log-flags.ts'
import {
  agentOptionsFrom,
  applyBindAddressRules,
  applyConfigFile,
  configurationFrom,
  logSettingsFrom,
  rememberOptions,
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
import { addLifeCycleFlags, type LifeCycleFlags } from './life-cycle-flags.ts'
import { addHardFailFlags, addServerFlags } from './server-flags.ts'
import { chosenStateDirectory, stateDirectory, usualStateDirectory } from './state-directory.ts'
import { listenForSignals, serveUntilStopped, type Running } from './until-stopped.ts'
import { addVipFlags, resolveVipMode, type VipFlags } from './vip-flags.ts'

interface RunFlags extends ClusterFlags, NodeFlags, VipFlags, ControlPlaneFlags, LifeCycleFlags {
  readonly config?: string
  readonly writeConfigTo?: string
  readonly cleanup: boolean
  readonly initOnly: boolean
  readonly allowLoopbackEndpoints: boolean
}

type AgentOptions = ReturnType<typeof agentOptionsFrom> & { readonly log: Log }

/** What the command line and the files on disk come to. */
interface Settings {
  readonly flags: RunFlags
  readonly configuration: AgentConfiguration
  /** What there is to say about the VIP mode, once. */
  readonly vipNotes: readonly string[]
  readonly log: Log
}

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
  addVipFlags(addNodeFlags(command))
  addProxyFlags(command, { nodePortAddresses: '' })
    .optionsGroup('Proxying:')
    .option(
      '--allow-loopback-endpoints',
      'dial endpoints on 127.0.0.0/8 and ::1 (for tests: any tenant may name them)',
      false,
    )
  addLifeCycleFlags(command, {
    workers: 'auto',
    shutdownTimeout: '25s',
    stateDir: `$STATE_DIRECTORY, else ${usualStateDirectory}; none without a cluster`,
  })
  addHardFailFlags(addServerFlags(command, { healthz: 'on' }))
  addLogFlags(command, 'info')
  addAccessLogFlags(command)
  addControlPlaneFlags(command, { group: 'Without a cluster:' })
  addIgnoredFlags(addUselessActions(command))
  return command.addHelpText('after', examples).action(run)
}

/** What kube-proxy does once and ends: there are no kernel rules to remove, but settings that take more rights. */
function addUselessActions(command: Command): Command {
  const action = (flag: string): Option =>
    new Option(`--${flag} [bool]`).argParser(parseBoolean).preset('true').default(false).hideHelp()
  return command.addOption(action('cleanup')).addOption(action('init-only'))
}

const examples = `
kube-proxy's other flags (--proxy-mode, --conntrack-*, --iptables-*, --ipvs-* …) are accepted and have no effect;
docs/COMPATIBILITY.md lists them.

Signals: TERM and INT stop, and let connections end (--shutdown-timeout). HUP reloads. QUIT leaves at once, and the workers
serve on until the next agent takes over: that is how a restart costs no connection.

Examples:
  kube-relay run --kubeconfig /etc/kube-relay/kubeconfig
  kube-relay run --config /var/lib/kube-proxy/config.conf --hostname-override node-1
  kube-relay run --master https://10.0.0.1:6443           with the pod's service account
  kube-relay run --manifests ./services --allow-loopback-endpoints
  kube-relay run --nodeport-addresses primary,localhost --balance random`

async function run(_: unknown, command: Command): Promise<void> {
  const { cleanup, initOnly } = command.opts<RunFlags>()
  if (cleanup) {
    await removeLeftovers(command)
    return
  }
  if (initOnly) {
    await setNodeSettings(command)
    return
  }
  const restore = rememberOptions(command)
  const first = await readSettings(command, null)
  const { configuration, log } = first
  if (first.flags.writeConfigTo !== undefined) {
    await writeConfig(first.flags.writeConfigTo, configuration)
    return
  }
  if (configuration.bindAddressHardFail) await failUnlessFree(configuration)
  const manager = openServiceManager({ env: process.env, clock: systemClock, log })
  enableTcpMigrateReq(log)
  const signals = listenForSignals()
  const begin = isStandalone(first.flags) ? runStandalone : runForCluster
  const reread = async (): Promise<Settings> => {
    restore()
    const settings = await readSettings(command, configuration.vipMode)
    // Where it is kept, and who answers for it, stays for the life of the process.
    return { ...settings, configuration: { ...settings.configuration, stateDir: configuration.stateDir } }
  }
  await serveUntilStopped(await begin(first, reread, command), signals, {
    shutdownTimeoutMs: configuration.shutdownTimeoutMs,
    log,
    cannotLeave: whyItCannotLeave(configuration),
    manager,
  })
}

async function removeLeftovers(command: Command): Promise<void> {
  const { stateDir } = command.opts<RunFlags>()
  const { workers, vips } = await cleanUp({
    stateDir: chosenStateDirectory(stateDir, process.env, usualStateDirectory),
    log: logFrom(logSettingsFrom(command)),
  })
  process.stdout.write(
    workers + vips === 0
      ? '--cleanup: nothing to clean up, kube-relay leaves no rules in the kernel, and VIPs only when it is killed\n'
      : `--cleanup: workers without an agent ended: ${workers}, VIPs removed: ${vips}\n`,
  )
}

/** null: its workers serve on without it, and the next agent finds them. */
function whyItCannotLeave({ workers, stateDir }: AgentConfiguration): string | null {
  if (workers === 0) return 'with --workers 0 nobody would serve on'
  return stateDir === null ? 'without --state-dir the next agent would not find its workers' : null
}

/**
 * --init-only: the settings of the node that the agent makes itself where it may. For a container with more rights,
 * before one that may not.
 */
async function setNodeSettings(command: Command): Promise<void> {
  const log = logFrom(logSettingsFrom(command))
  enableTcpMigrateReq(log)
  if (command.opts<RunFlags>().vipMode !== 'local' || !(await readNode()).hasIpv6) return
  const problem = enableNonlocalBind(log)
  if (problem !== null) log.warn(problem)
}

/** `vipMode`: the one of this process, if it is known already. */
async function readSettings(command: Command, vipMode: VipMode | null): Promise<Settings> {
  const { config } = command.opts<RunFlags>()
  const notes = [...(await applyConfigFile(command, config)), ...applyBindAddressRules(command)]
  const flags = command.opts<RunFlags>()
  const log = logFrom(logSettingsFrom(command))
  const writesOnly = flags.writeConfigTo !== undefined
  if (!writesOnly) for (const note of notes) log.info(note)
  const usual = isStandalone(flags) ? null : usualStateDirectory
  const vips =
    vipMode === null && !writesOnly
      ? await resolveVipMode(flags.vipMode)
      : { mode: vipMode ?? 'none', notes: [] }
  const configuration = configurationFrom(command, {
    name: nodeNameFrom(flags.hostnameOverride),
    allowLoopbackEndpoints: flags.allowLoopbackEndpoints,
    vipMode: vips.mode,
    stateDir: writesOnly ? null : stateDirectory({ flag: flags.stateDir, env: process.env, usual, log }),
  })
  if (!writesOnly) failUnlessWritable(configuration.accessLog)
  if (!writesOnly && configuration.oomScoreAdj !== null) setOomScoreAdj(configuration.oomScoreAdj, log)
  return { flags, configuration, vipNotes: vips.notes, log }
}

function isStandalone({ manifests, dataFile }: RunFlags): boolean {
  return manifests !== undefined || dataFile !== undefined
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

type Reread = () => Promise<Settings>

async function runForCluster(first: Settings, reread: Reread): Promise<Running> {
  const optionsOf = async ({ flags, configuration, log }: Settings) => {
    const access = await loadClusterAccess({ ...flags, env: process.env })
    return { ...agentOptionsFrom(configuration), access, log, source: 'apiserver' as const }
  }
  const agent = await optionsOf(first)
  const { access, log, nodeName } = agent
  log.info({ node: nodeName, server: access.server.href }, `kube-relay starts, using ${access.describe}`)
  for (const note of first.vipNotes) log.info(note)
  return startReloadableAgent({ agent, reread: async () => await optionsOf(await reread()) })
}

async function runStandalone(first: Settings, reread: Reread, command: Command): Promise<Running> {
  const { flags, log } = first
  // A file's kubeconfig may stay: --manifests was written after it.
  if (command.getOptionValueSource('kubeconfig') === 'cli' || flags.master !== undefined) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${flags.manifests === undefined ? '--data-file' : '--manifests'} serves without a cluster: leave out --kubeconfig and --master`,
    )
  }
  const optionsOf = ({ configuration, log }: Settings): AgentOptions => ({
    ...agentOptionsFrom(configuration),
    log,
  })
  const options = optionsOf(first)
  log.info(
    { node: options.nodeName, manifests: flags.manifests, dataFile: flags.dataFile },
    'kube-relay starts with its own control plane',
  )
  for (const note of first.vipNotes) log.info(note)
  // Not loaded for a cluster: the schemas of a whole API server are in it.
  const { startStandalone } = await import('../lib/standalone-agent.ts')
  return startStandalone({
    ...options,
    ...controlPlaneOptionsFrom(flags),
    reread: async () => optionsOf(await reread()),
    samplePodCommand: null,
  })
}

// kube-relay dev: everything on one machine for a first look. An embedded control plane, sample pods as processes, and
// the agent, all on loopback, with the example Services unless others are given.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { reasonOf, RelayError } from '../lib/model/error.ts'
import { renderStatus, type StatusDocument } from '../lib/ops/status.ts'
import { filesInside, isSingleExecutable, ownCommand, ownFile, ownFolder } from '../lib/own-program.ts'
import type { StandaloneAgent } from '../lib/standalone-agent.ts'
import { addAccessLogFlags, failUnlessWritable } from './access-log-flags.ts'
import { agentOptionsFrom, configurationFrom, logSettingsFrom } from './configuration.ts'
import {
  addControlPlaneFlags,
  controlPlaneOptionsFrom,
  type ControlPlaneFlags,
} from './control-plane-flags.ts'
import { addLogFlags, addProxyFlags, logFrom } from './flags.ts'
import { addLifeCycleFlags, type LifeCycleFlags } from './life-cycle-flags.ts'
import { addServerFlags } from './server-flags.ts'
import { stateDirectory } from './state-directory.ts'
import { listenForSignals, serveUntilStopped } from './until-stopped.ts'

export function devCommand(): Command {
  const command = new Command('dev').description(
    'try it: an embedded control plane, sample pods and the proxy, all on loopback',
  )
  addControlPlaneFlags(command, {
    group: 'Control plane:',
    manifests: 'the examples that come with kube-relay',
  })
  addProxyFlags(command, { nodePortAddresses: 'localhost' })
  addLifeCycleFlags(command, { workers: '0', shutdownTimeout: '5s', stateDir: 'off' })
  addServerFlags(command, { healthz: 'off' })
  addLogFlags(command, 'warn')
  addAccessLogFlags(command)
  return command.addHelpText('after', examples).action(dev)
}

const examples = `
Examples:
  kube-relay dev
  kube-relay dev --manifests ./services      edit a file there, and it is applied`

async function dev(flags: ControlPlaneFlags & LifeCycleFlags, command: Command): Promise<void> {
  const log = logFrom(logSettingsFrom(command))
  const signals = listenForSignals()
  process.stdout.write('starting the control plane, the sample pods and the proxy …\n')
  const configuration = configurationFrom(command, {
    name: 'dev',
    allowLoopbackEndpoints: true,
    vipMode: 'none',
    stateDir: stateDirectory({ flag: flags.stateDir, env: {}, usual: null, log }),
  })
  failUnlessWritable(configuration.accessLog)
  const options = { ...agentOptionsFrom(configuration), log }
  // Not loaded for other commands: the schemas of a whole API server are in it.
  const { startStandalone } = await import('../lib/standalone-agent.ts')
  const running = await startStandalone({
    ...options,
    ...controlPlaneOptionsFrom({ ...flags, manifests: flags.manifests ?? examplesFolder() }),
    reread: async () => options,
    samplePodCommand: ownCommand(['sample-pod'], { nodeOptions: process.execArgv }),
  })
  running.settled(15_000).then(
    status => process.stdout.write(welcome(status, running)),
    // It was stopped before that.
    () => {},
  )
  await serveUntilStopped(running, signals, { shutdownTimeoutMs: flags.shutdownTimeout, log })
}

function welcome(status: StatusDocument, standalone: StandaloneAgent): string {
  const { controlPlane, samplePods, dnsAddress } = standalone
  const pids = [...(samplePods?.pids() ?? [])].map(
    ([name, pid]) => `${name.replace(/^default\//, '')} ${pid}`,
  )
  const [tcp, udp] = (['TCP', 'UDP'] as const).map(protocol =>
    status.services
      .filter(service => service.protocol === protocol)
      .flatMap(({ frontends }) => frontends)
      .find(({ kind, state }) => kind === 'NodePort' && state === 'listening'),
  )
  const clusterIp = status.services.find(({ frontends }) =>
    frontends.some(({ kind }) => kind === 'ClusterIP'),
  )
  const hints = [
    ...(tcp ? [['ask, and see the pods answer in turn', `curl ${tcp.address}`]] : []),
    ...(udp ? [['the same over UDP', `echo hello | nc -u -w1 ${udp.address.replace(':', ' ')}`]] : []),
    ...(dnsAddress && clusterIp
      ? [
          [
            'find a Service by its name',
            `dig +short @${dnsAddress.ip}${dnsAddress.port === 53 ? '' : ` -p ${dnsAddress.port}`} ${clusterIp.name}.${clusterIp.namespace}.svc.cluster.local`,
          ],
        ]
      : []),
    ...(pids.length > 0 ? [['kill a pod; no request fails, and it comes back', 'kill PID']] : []),
    ['what is served now', `${typedCommand()} status`],
    ['look around, change something', `kubectl --server ${controlPlane.url} get services`],
    ['end all of it', 'Ctrl-C'],
  ]
  const width = Math.max(...hints.map(([what = '']) => what.length))
  const lines = hints.map(([what = '', how = '']) => `  ${what.padEnd(width)}   ${how}`)
  const pods = pids.length > 0 ? `sample pods (PID): ${pids.join(', ')}\n\n` : ''
  return `\n${renderStatus(status)}\n${pods}${lines.join('\n')}\n`
}

/** How a person calls this program: from a checkout by npm, which has the right Node.js; else by its name. */
function typedCommand(): string {
  if (isSingleExecutable) return process.argv0
  return import.meta.url.endsWith('.ts') ? 'npm run kube-relay --' : 'kube-relay'
}

function examplesFolder(): string {
  const folder = ownFolder('examples') ?? unpacked('examples')
  if (folder === null)
    throw new RelayError('INVALID_CONFIG', 'the examples folder is missing: give --manifests')
  return folder
}

/** A temporary copy of a folder inside the single executable, to look at and to change, until this process ends. */
function unpacked(folder: string): string | null {
  const names = filesInside(folder)
  if (names.length === 0) return null
  try {
    const copy = mkdtempSync(path.join(tmpdir(), `kube-relay-${folder}-`))
    process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
    for (const name of names) writeFileSync(path.join(copy, path.basename(name)), ownFile(name) ?? '')
    return copy
  } catch (error) {
    const reason = `the ${folder} can't be unpacked: give --manifests, or set TMPDIR (${reasonOf(error)})`
    throw new RelayError('INVALID_CONFIG', reason, { cause: error })
  }
}

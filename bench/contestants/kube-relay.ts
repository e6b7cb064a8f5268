// kube-relay itself, as it is run on a node: the agent with its workers, a manifest for each route, addresses that are
// local already. Variants by name set flags of `kube-relay run`: "kube-relay:workers=2:balance=random".

import { stringify } from 'yaml'
import { formatAddress } from '../../lib/model/address.ts'
import { RelayError } from '../../lib/model/error.ts'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { version } from '../../lib/version.ts'
import type { ConfigFile, Contestant, Route, RunningContestant, Setup } from '../contestant.ts'
import { freeAddress } from '../load/free-port.ts'
import { ownCommand } from '../own-command.ts'
import { commandLine, folderPlaceholder, onDisk } from './command-line.ts'
import { launch } from './launch.ts'

/** It is several programs, one after another: agent, control plane, workers. */
const startLimitMs = 30_000

/** What an agent of the benchmark is told in any case: nothing but loopback, nothing that outlives it. */
const usualFlags: Readonly<Record<string, string>> = {
  'vip-mode': 'none',
  'hostname-override': 'bench',
  'healthz-bind-address': 'off',
  'log-level': 'warn',
  'log-format': 'text',
  'shutdown-timeout': '0s',
  'orphan-grace': '0s',
}

/** An agent's environment: nothing of the user's own cluster. */
export const agentEnvironment: Readonly<Record<string, string>> = {
  KUBECONFIG: '',
  STATE_DIRECTORY: '',
  NODE_NAME: '',
}

/** A contestant that is an agent, for the scenarios about agents. */
export interface KubeRelay extends Contestant {
  start(setup: Setup): Promise<RunningKubeRelay>
  /** `kube-relay run` with its flags, all but those that say where its objects come from. */
  runCommand(options: { readonly threads: number; readonly metrics: string }): readonly string[]
}

export interface RunningKubeRelay extends RunningContestant {
  /** The agent's. */
  readonly pid: number
  /** Where it answers for itself, "IP:PORT". */
  readonly metrics: string
}

export function isKubeRelay(contestant: Contestant): contestant is KubeRelay {
  return 'runCommand' in contestant
}

/** `options`: what follows "kube-relay:" in the name, "FLAG=VALUE". @throws INVALID_CONFIG for anything else. */
export function kubeRelay(options: readonly string[] = []): KubeRelay {
  const name = ['kube-relay', ...options].join(':')
  const flags = Object.fromEntries(options.map(readFlag))
  const runCommand: KubeRelay['runCommand'] = ({ threads, metrics }) => {
    const all = {
      workers: String(threads),
      ...usualFlags,
      'metrics-bind-address': metrics,
      ...flags,
    }
    const written = Object.entries(all).map(([flag, value]) => `--${flag}=${value}`)
    return ownCommand('run', '--allow-loopback-endpoints', ...written)
  }
  const commandOf = ({ threads }: Setup, folder: string, metrics: string): readonly string[] => [
    ...runCommand({ threads, metrics }),
    '--state-dir=off',
    `--manifests=${folder}/${manifestName}`,
    '--service-cluster-ip-range=127.0.0.0/8',
  ]
  const config = (setup: Setup): readonly ConfigFile[] => [
    { name: manifestName, text: manifest(setup.routes) },
    commandLine(commandOf(setup, folderPlaceholder, '$FREE_ADDRESS')),
  ]
  return {
    name,
    describe: options.length === 0 ? 'this program' : `this program with ${options.join(', ')}`,
    excused: {},
    find: () => Promise.resolve({ version }),
    config,
    runCommand,
    async start(setup) {
      const metrics = await freeMetricsAddress()
      const running = await launch({
        name,
        setup,
        files: onDisk(config(setup)),
        commands: folder => [commandOf(setup, folder, metrics)],
        env: agentEnvironment,
        startLimitMs,
        isReady: async () => servesAll(await statusOf(metrics)),
      })
      const [pid = 0] = running.mains
      const proxiesItself = (await statusOf(metrics))?.workers.some(worker => worker.pid === pid) ?? false
      return { ...running, pid, metrics, steering: () => (proxiesItself ? [] : [pid]) }
    },
  }
}

function readFlag(option: string): readonly [string, string] {
  const [, flag, value] = /^([a-z][a-z-]*)=(.+)$/.exec(option) ?? []
  if (flag === undefined || value === undefined) {
    throw new RelayError(
      'INVALID_CONFIG',
      `kube-relay:${option} is no variant: expected flags of "kube-relay run" as in kube-relay:workers=2`,
    )
  }
  return [flag, value]
}

/** Where an agent may answer for itself, "IP:PORT". */
export async function freeMetricsAddress(): Promise<string> {
  const { ip, port } = await freeAddress('TCP')
  return formatAddress(ip, port)
}

/** Null: nobody answers there yet. */
export async function statusOf(metrics: string): Promise<StatusDocument | null> {
  try {
    const response = await fetch(`http://${metrics}/status`, { headers: { connection: 'close' } })
    return response.ok ? ((await response.json()) as StatusDocument) : null
  } catch {
    return null
  }
}

function servesAll(status: StatusDocument | null): boolean {
  if (status === null) return false
  const { synced, services, workers } = status
  return (
    synced &&
    services.length > 0 &&
    services.every(({ frontends }) => frontends.every(({ state }) => state === 'listening')) &&
    workers.every(({ responding }) => responding)
  )
}

const manifestName = 'services.yaml'

/** A Service for each address in front: two can't have the same. Its ports lead to slices of their own. */
function manifest(routes: readonly Route[]): string {
  const byIp = Map.groupBy(routes, ({ listen }) => listen.ip)
  return [...byIp]
    .flatMap(([ip, sameIp], service) => objectsOf(`service-${service}`, ip, sameIp))
    .map(object => stringify(object))
    .join('---\n')
}

function objectsOf(name: string, clusterIP: string, routes: readonly Route[]): readonly object[] {
  const ports = routes.map(({ protocol, listen }, index) => ({
    name: `route-${index}`,
    protocol,
    port: listen.port,
  }))
  const slices = routes.map(({ protocol, server }, index) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${index}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: `route-${index}`, protocol, port: server.port }],
    endpoints: [{ addresses: [server.ip], conditions: { ready: true } }],
  }))
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { clusterIP, ports } }, ...slices]
}

// `kube-relay run` as a process, as an operator runs it: started, asked for its status, signalled, killed.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { until } from '../e2e/until.ts'
import type { Owner } from './owner.ts'

const entry = fileURLToPath(new URL('../../cmd/kube-relay.ts', import.meta.url))

export const defaultMetricsPort = 10249

export interface AgentProcessOptions {
  /** The API server's URL. */
  readonly master: string
  readonly args?: readonly string[]
  /** Serves metrics and status, by default on `defaultMetricsPort`; health is one above. Two agents may share them. */
  readonly metricsPort?: number
  /** Starts it by a shell with this limit of open files. */
  readonly descriptorLimit?: number
}

export interface AgentProcess {
  readonly pid: number
  readonly child: ChildProcess
  status(): Promise<StatusDocument>
  /** Resolves with the first status that the condition holds for. */
  until(what: string, condition: (status: StatusDocument) => boolean): Promise<StatusDocument>
  /** A path of the metrics server, as text. */
  get(path: string): Promise<string>
  /** Resolves once it has ended. */
  kill(signal: NodeJS.Signals): Promise<number | null>
}

export function startAgent(owner: Owner, options: AgentProcessOptions): AgentProcess {
  const { master, args = [], metricsPort = defaultMetricsPort, descriptorLimit } = options
  const command = [
    process.execPath,
    entry,
    'run',
    `--master=${master}`,
    '--hostname-override=node-1',
    '--vip-mode=none',
    `--metrics-bind-address=127.0.0.1:${metricsPort}`,
    `--healthz-bind-address=127.0.0.1:${metricsPort + 1}`,
    '--log-format=json',
    ...args,
  ]
  const limit = descriptorLimit === undefined ? '' : `ulimit -n ${descriptorLimit} && `
  // Ends with its parent, whatever way that ends: workers then notice that they are alone.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', `${limit}exec "$@"`, 'sh', ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', KUBECONFIG: '', STATE_DIRECTORY: '', HOME: '/nonexistent' },
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const { pid } = child
  if (pid === undefined) throw new Error('setpriv (util-linux) could not be started')
  const hasEnded = (): string | undefined =>
    child.exitCode === null && child.signalCode === null ? undefined : 'the agent has ended'
  const detail = (): string => log.split('\n').slice(-30).join('\n')
  owner.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const get = (path: string): Promise<string> => getText(metricsPort, path)
  const status = async (): Promise<StatusDocument> => JSON.parse(await get('/status')) as StatusDocument
  return {
    pid,
    child,
    status,
    get,
    until: (what, condition) =>
      until(
        what,
        async () => {
          const now = await status()
          return condition(now) ? now : undefined
        },
        { hopeless: hasEnded, detail },
      ),
    async kill(signal) {
      child.kill(signal)
      const [code] = await exited
      return code
    },
  }
}

/** A connection each, so that two agents on one port both get their turn. */
function getText(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false, timeout: 10_000 }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer from 127.0.0.1:${port}`)))
    request.on('error', reject)
  })
}

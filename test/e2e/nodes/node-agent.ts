// kube-relay on one node of the cluster: `kube-relay run` as the node's own process, in its network and its file system.
// It can be stopped, killed and started again; its state directory is the node's and stays.

import { resolve } from 'node:path'
import type { ServiceStatus, StatusDocument } from '../../../lib/ops/status.ts'
import type { VipMode } from '../../../lib/model/vip-mode.ts'
import { startChild, type Child } from '../child.ts'
import { until } from '../until.ts'
import type { Node } from './topology.ts'

export interface NodeAgent {
  readonly node: Node
  /** Starts it (again), with flags of its own if given; resolves once its table is whole and applied. */
  start(flags?: readonly string[]): Promise<void>
  /** SIGTERM; resolves to its exit status. Rejects if it takes longer than a minute. */
  stop(): Promise<number | NodeJS.Signals>
  /** SIGKILL of the agent alone: its workers serve on. */
  kill(): Promise<void>
  /** SIGHUP. */
  reload(): void
  status(): Promise<StatusDocument>
  /** Resolves once `accept` holds for the status document. */
  untilStatus(what: string, accept: (status: StatusDocument) => boolean): Promise<StatusDocument>
  /** Everything that has been logged since the first start. */
  log(): string
  /** Resolves once the log, from character `from` on, has a line that matches. */
  untilLogged(pattern: RegExp, from?: number): Promise<string>
  running(): boolean
}

export interface NodeAgentOptions {
  readonly kubeconfig: string
  readonly mode: VipMode
  /** For one beside another; default 10249, and healthz at 10256. */
  readonly metricsPort?: number
  readonly healthzPort?: number
}

/** Not started yet. Everything that isn't said here is as a DaemonSet would have it. */
export function createNodeAgent(
  node: Node,
  { kubeconfig, mode, metricsPort = 10249, healthzPort = 10256 }: NodeAgentOptions,
): NodeAgent {
  let child: Child | undefined
  let earlier = ''
  const log = (): string => earlier + (child?.output() ?? '')
  const running = (): boolean => child !== undefined && child.ended() === undefined
  const status = async (): Promise<StatusDocument> => {
    const { body } = await node.place.http(`http://127.0.0.1:${metricsPort}/status`)
    return JSON.parse(body) as StatusDocument
  }
  const patiently = {
    deadlineMs: 60_000,
    everyMs: 25,
    hopeless: () => child?.ended() ?? (child === undefined ? `${node.name}: not started` : undefined),
    detail: () => child?.tail() ?? '',
  }
  const untilStatus: NodeAgent['untilStatus'] = (what, accept) =>
    until(
      `${node.name}: ${what}`,
      async () => {
        const document = await status()
        return accept(document) ? document : undefined
      },
      patiently,
    )
  return {
    node,
    log,
    running,
    status,
    untilStatus,
    start: async (flags = []) => {
      if (running()) throw new Error(`${node.name}: its agent runs already; stop or kill it first`)
      earlier = log()
      child = await startChild({
        name: `kube-relay on ${node.name}`,
        command: node.place.enter[0] ?? '',
        args: [
          ...node.place.enter.slice(1),
          process.execPath,
          resolve(import.meta.dirname, '../../../cmd/kube-relay.ts'),
          'run',
          `--kubeconfig=${kubeconfig}`,
          `--hostname-override=${node.name}`,
          `--vip-mode=${mode}`,
          `--metrics-bind-address=127.0.0.1:${metricsPort}`,
          `--healthz-bind-address=0.0.0.0:${healthzPort}`,
          '--workers=2',
          '--shutdown-timeout=2s',
          '--log-level=info',
          '--log-format=text',
          ...flags,
        ],
        // Not what the machine or the test runner has set for its own purposes.
        env: { STATE_DIRECTORY: '/var/lib/kube-relay', NODE_OPTIONS: '', NODE_NAME: '' },
      })
      await untilStatus('everything is listed and applied', document => document.synced)
    },
    stop: async () => {
      if (child === undefined) throw new Error(`${node.name}: its agent was never started`)
      const started = child
      const timer = setTimeout(() => void started.kill('SIGKILL'), 60_000)
      const end = await started.kill('SIGTERM')
      clearTimeout(timer)
      if (end === 'SIGKILL') throw new Error(`SIGTERM didn't end it within a minute\n${started.tail()}`)
      return end
    },
    kill: async () => {
      await child?.kill('SIGKILL')
    },
    reload: () => {
      if (child === undefined) throw new Error(`${node.name}: its agent was never started`)
      process.kill(child.pid, 'SIGHUP')
    },
    untilLogged: (pattern, from = 0) =>
      until(
        `${node.name}: the log says ${pattern}`,
        () =>
          log()
            .slice(from)
            .split('\n')
            .find(line => pattern.test(line)),
        patiently,
      ),
  }
}

/** The ports of the Services in a namespace, or of one of them. */
export function portsOf(status: StatusDocument, namespace: string, name?: string): readonly ServiceStatus[] {
  return status.services.filter(
    service => service.namespace === namespace && (name === undefined || service.name === name),
  )
}

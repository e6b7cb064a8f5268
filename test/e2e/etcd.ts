// One etcd member on loopback. It can be killed without warning and started again on the same data and ports.

import { startChild, type Child } from './child.ts'
import { freePort } from './sandbox.ts'
import { until } from './until.ts'

export interface Etcd {
  readonly url: string
  /** Starts it (again) and resolves once it answers. */
  start(): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  crash(): Promise<void>
  /** Forgets all revisions before the current one, so that nobody can watch from an older one any more. */
  compact(): Promise<void>
  tail(limit?: number): string
}

/** An etcd that keeps its data in `folder`; not started yet. */
export async function createEtcd(folder: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freePort()}`
  const peerUrl = `http://127.0.0.1:${await freePort()}`
  let child: Child | undefined

  const post = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`etcd: ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Record<string, unknown>
  }
  return {
    url,
    start: async () => {
      child = await startChild({
        name: 'etcd',
        command: 'etcd',
        args: [
          '--name=test',
          `--data-dir=${folder}`,
          `--listen-client-urls=${url}`,
          `--advertise-client-urls=${url}`,
          `--listen-peer-urls=${peerUrl}`,
          `--initial-advertise-peer-urls=${peerUrl}`,
          `--initial-cluster=test=${peerUrl}`,
          '--logger=zap',
        ],
      })
      const started = child
      const healthy = async (): Promise<true | undefined> => {
        const response = await fetch(`${url}/health`)
        return (await response.text()).includes('"true"') || undefined
      }
      await until('etcd is healthy', healthy, {
        hopeless: () => started.ended(),
        detail: () => started.tail(),
      })
    },
    crash: async () => {
      await child?.kill('SIGKILL')
    },
    compact: async () => {
      const { header } = await post('/v3/kv/range', { key: 'AA==' })
      await post('/v3/kv/compaction', { revision: (header as { revision: string }).revision })
    },
    tail: limit => child?.tail(limit) ?? 'etcd: not started',
  }
}

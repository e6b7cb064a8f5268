// kube-relay under test: `kube-relay run` as its own process on the test's node, with an ordinary kubeconfig whose
// token file holds a token of the service account in deploy/base/rbac.yaml.

import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { startChild } from './child.ts'
import type { FrontendStatus, ServiceStatus, StatusDocument } from '../../lib/ops/status.ts'
import type { Target } from './client.ts'
import { nodeName, type Cluster } from './cluster.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { freePort, temporaryFolder } from './sandbox.ts'
import { createToken } from './service-account.ts'
import { until } from './until.ts'

export interface Agent {
  /** Replaces the token on disk. */
  writeToken(token: string): void
  status(): Promise<StatusDocument>
  /** Resolves once `accept` holds for the status document. */
  untilStatus(what: string, accept: (status: StatusDocument) => boolean): Promise<StatusDocument>
  /** Resolves once every port of the Service has exactly these endpoints ("IP:port") and all its frontends follow. */
  untilServing(name: string, endpoints: readonly string[]): Promise<readonly ServiceStatus[]>
  /** Resolves once the status has no port of this Service any more. */
  untilGone(name: string): Promise<void>
  /** Resolves once the log has a line that matches. */
  untilLogged(pattern: RegExp): Promise<string>
  output(): string
  tail(): string
  /** SIGTERM; resolves to the exit status. */
  stop(): Promise<number | NodeJS.Signals>
}

/**
 * Starts `kube-relay run` and doesn't wait for anything; the API server need not be there. It ends with the test,
 * which shows the newest of its log if it failed.
 */
export async function startAgent(
  t: Test,
  cluster: Cluster,
  options: { readonly token?: string; readonly flags?: readonly string[] } = {},
): Promise<Agent> {
  const folder = temporaryFolder('agent')
  const tokenFile = join(folder.path, 'token')
  const kubeconfig = join(folder.path, 'kubeconfig')
  const writeToken = (token: string): void => writeFileSync(tokenFile, `${token}\n`)
  writeToken(options.token ?? (await createToken(cluster.api)))
  const { url, caFile } = cluster.apiserver
  writeKubeconfig(kubeconfig, { server: url, caFile, user: { tokenFile } })

  const metricsPort = await freePort()
  const child = await startChild({
    name: 'kube-relay',
    command: process.execPath,
    args: [
      resolve(import.meta.dirname, '../../cmd/kube-relay.ts'),
      'run',
      `--kubeconfig=${kubeconfig}`,
      `--hostname-override=${nodeName}`,
      '--vip-mode=none',
      `--metrics-bind-address=127.0.0.1:${metricsPort}`,
      `--healthz-bind-address=127.0.0.1:${await freePort()}`,
      '--log-level=info',
      '--log-format=text',
      '--shutdown-timeout=2s',
      ...(options.flags ?? []),
    ],
    // No state directory: what one test saved must not be served in the next.
    env: { STATE_DIRECTORY: '' },
  })

  t.teardown(async () => {
    await child.close()
    if (!t.passing()) t.comment(child.tail())
    folder.remove()
  })

  const status = async (): Promise<StatusDocument> => {
    const response = await fetch(`http://127.0.0.1:${metricsPort}/status`)
    return (await response.json()) as StatusDocument
  }
  // Longer than its longest pause between two attempts.
  const patiently = { deadlineMs: 120_000, hopeless: () => child.ended(), detail: () => child.tail() }
  const untilStatus: Agent['untilStatus'] = (what, accept) =>
    until(
      what,
      async () => {
        const document = await status()
        return accept(document) ? document : undefined
      },
      patiently,
    )
  return {
    writeToken,
    status,
    untilStatus,
    untilServing: async (name, endpoints) => {
      const state = endpoints.length === 0 ? 'refusing' : 'listening'
      const what = `${name} is ${state}, with [${endpoints.join(', ')}]`
      const accept = (document: StatusDocument): boolean => {
        const ports = portsOf(document, name)
        return ports.length > 0 && ports.every(port => follows(port, endpoints, state))
      }
      return portsOf(await untilStatus(what, accept), name)
    },
    untilGone: async name => {
      await untilStatus(`${name} is gone`, document => portsOf(document, name).length === 0)
    },
    untilLogged: pattern =>
      until(
        `the log says ${pattern}`,
        () =>
          child
            .output()
            .split('\n')
            .find(line => pattern.test(line)),
        patiently,
      ),
    output: () => child.output(),
    tail: () => child.tail(),
    stop: () => child.kill('SIGTERM'),
  }
}

function portsOf(document: StatusDocument, name: string): readonly ServiceStatus[] {
  return document.services.filter(service => service.name === name)
}

function follows(
  service: ServiceStatus,
  endpoints: readonly string[],
  state: FrontendStatus['state'],
): boolean {
  const now = service.endpoints.cluster ?? []
  return (
    [...now].sort().join() === [...endpoints].sort().join() &&
    service.frontends.every(frontend => frontend.state === state)
  )
}

/** Where a client reaches this frontend of a service port. A NodePort is on every address of the node. */
export function targetOf(service: ServiceStatus, kind: FrontendStatus['kind'], node = '127.0.0.1'): Target {
  const frontend = service.frontends.find(each => each.kind === kind)
  if (frontend === undefined) throw new Error(`${service.name} has no ${kind} frontend`)
  const colon = frontend.address.lastIndexOf(':')
  return {
    protocol: service.protocol === 'UDP' ? 'UDP' : 'TCP',
    address: kind === 'NodePort' ? node : frontend.address.slice(0, colon),
    port: Number(frontend.address.slice(colon + 1)),
  }
}

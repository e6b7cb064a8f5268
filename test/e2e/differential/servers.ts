// The two servers that are compared: a real kube-apiserver on etcd, and kube-relay's embedded control plane as the
// process that users start. Both are asked in the same way; what only one of them needs is added here.

import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import { run, startChild } from '../child.ts'
import { createEtcd } from '../etcd.ts'
import { adminToken, createKubeApiserver } from '../kube-apiserver.ts'
import { writeAnonymousKubeconfig, writeKubeconfig } from '../kubeconfig.ts'
import { createNetwork, removeNetwork, serviceRange } from '../network.ts'
import { freePort, requireSandbox, temporaryFolder } from '../sandbox.ts'
import { until } from '../until.ts'

export interface Server {
  readonly name: 'real' | 'ours'
  readonly kubeconfig: string
  /** A folder for kubectl's cache. */
  readonly folder: string
  send(request: RawRequest): Promise<RawAnswer>
}

export interface RawRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
}

const secondRange = 'fd00:96::/112'
const serviceRanges = `${serviceRange},${secondRange}`

/** What Kubernetes 1.20 has, but not switched on. */
const featureGates = [
  'IPv6DualStack',
  'ServiceLBNodePortControl',
  'MixedProtocolLBService',
  'EndpointSliceTerminatingCondition',
  'EndpointSliceNodeName',
]

/** Admission plugins that change objects as a whole cluster needs it, and as no API server does by itself. */
const disabledAdmission = ['ServiceAccount', 'DefaultTolerationSeconds', 'TaintNodesByCondition', 'Priority']

/** Starts both; they end with the test, which shows the newest of their logs if it failed. */
export async function startServers(t: Test): Promise<{ readonly real: Server; readonly ours: Server }> {
  requireSandbox()
  await createNetwork()
  const route = ['local', secondRange, 'dev', 'lo']
  await run('ip', ['-6', 'route', 'replace', ...route])
  t.teardown(async () => {
    await run('ip', ['-6', 'route', 'delete', ...route])
    await removeNetwork()
  })
  const [real, ours] = await Promise.all([startReal(t), startOurs(t)])
  return { real, ours }
}

async function startReal(t: Test): Promise<Server> {
  const folder = temporaryFolder('real')
  const etcd = await createEtcd(join(folder.path, 'etcd'))
  const certificates = join(folder.path, 'kube-apiserver')
  mkdirSync(certificates)
  const apiserver = await createKubeApiserver(certificates, etcd.url, [
    `--service-cluster-ip-range=${serviceRanges}`,
    `--feature-gates=${featureGates.map(gate => `${gate}=true`).join()}`,
    `--disable-admission-plugins=${disabledAdmission.join()}`,
    '--runtime-config=discovery.k8s.io/v1beta1=true',
    // A wide range, so that no port that it picks is one that the script asks for later.
    '--service-node-port-range=30000-60000',
  ])
  const closers: (() => Promise<void>)[] = []
  t.teardown(async () => {
    for (const close of closers) await close()
    await apiserver.crash()
    await etcd.crash()
    if (!t.passing()) t.comment(apiserver.tail(1500))
    folder.remove()
  })
  await etcd.start()
  await apiserver.start()
  const agent = new Agent({ connect: { ca: readFileSync(apiserver.caFile) } })
  closers.push(() => agent.destroy())
  const kubeconfig = join(folder.path, 'kubeconfig')
  writeKubeconfig(kubeconfig, {
    server: apiserver.url,
    caFile: apiserver.caFile,
    user: { token: adminToken },
  })
  const authorization = { authorization: `Bearer ${adminToken}` }
  const server: Server = {
    name: 'real',
    kubeconfig,
    folder: folder.path,
    send: async ({ method, path, headers, body }) => {
      const answer = await sendTo(apiserver.url, agent, {
        method,
        path: asBeta(path),
        headers: { ...authorization, ...headers },
        body: body === undefined ? undefined : asBeta(body),
      })
      return { ...answer, text: answer.text.replaceAll('discovery.k8s.io/v1beta1', 'discovery.k8s.io/v1') }
    },
  }
  await until('the real server has made its namespaces', async () => {
    const path = '/api/v1/namespaces/kube-system'
    const { status } = await server.send({ method: 'GET', path, headers: {}, body: undefined })
    return status === 200 || undefined
  })
  return server
}

/** Kubernetes 1.20 has EndpointSlices as v1beta1, which the script doesn't know: it speaks v1 to both. */
function asBeta(text: string): string {
  return text.replaceAll(/discovery\.k8s\.io\/v1(?!\w)/g, 'discovery.k8s.io/v1beta1')
}

async function startOurs(t: Test): Promise<Server> {
  const folder = temporaryFolder('ours')
  const manifests = join(folder.path, 'manifests')
  mkdirSync(manifests)
  const port = await freePort()
  const child = await startChild({
    name: 'kube-relay',
    command: process.execPath,
    args: [
      resolve(import.meta.dirname, '../../../cmd/kube-relay.ts'),
      'run',
      `--manifests=${manifests}`,
      `--api-bind-address=127.0.0.1:${port}`,
      `--service-cluster-ip-range=${serviceRanges}`,
      '--hostname-override=kube-relay-node',
      '--vip-mode=none',
      '--metrics-bind-address=off',
      '--healthz-bind-address=off',
      '--log-format=text',
    ],
  })
  const agent = new Agent()
  t.teardown(async () => {
    await agent.destroy()
    await child.close()
    if (!t.passing()) t.comment(child.tail(1500))
    folder.remove()
  })
  const url = `http://127.0.0.1:${port}`
  const server: Server = {
    name: 'ours',
    kubeconfig: writeAnonymousKubeconfig(folder.path, url),
    folder: folder.path,
    send: request => sendTo(url, agent, request),
  }
  await until(
    'our server answers',
    async () => {
      const { status } = await server.send({ method: 'GET', path: '/readyz', headers: {}, body: undefined })
      return status === 200 || undefined
    },
    { hopeless: () => child.ended(), detail: () => child.tail() },
  )
  return server
}

async function sendTo(
  url: string,
  dispatcher: Agent,
  { method, path, headers, body }: RawRequest,
): Promise<RawAnswer> {
  const response = await request(`${url}${path}`, {
    method,
    dispatcher,
    headers,
    body: body ?? null,
    headersTimeout: 20_000,
    bodyTimeout: 20_000,
  })
  return { status: response.statusCode, headers: response.headers, text: await response.body.text() }
}

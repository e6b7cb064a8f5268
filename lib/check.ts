// Can this node run kube-relay, and what is missing. Each check looks at one thing, says what it found and, where
// that isn't good, what to do. Nothing is changed, and nothing but the API server is talked to.

import { accessSync, constants, statSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { descriptorLimit } from './dataplane/descriptor-budget.ts'
import { canDuplicate } from './dataplane/engines/net/descriptor.ts'
import { KubeClient } from './kube/client.ts'
import type { ClusterAccess } from './kube/cluster-access.ts'
import { formatAddress, type Address } from './model/address.ts'
import { reasonOf } from './model/error.ts'
import { asFields } from './model/fields.ts'
import type { VipMode } from './model/vip-mode.ts'
import type { CheckResult } from './ops/check-result.ts'
import { readTcpMigrateReq, tcpMigrateRemedy } from './ops/tcp-migrate.ts'
import { tryBind } from './ops/try-bind.ts'
import { version } from './version.ts'
import { capNetBindService, isCapable, readNode, type NodeReadings } from './vip/node-readings.ts'
import { checkVipModes } from './vip/requirements.ts'

export interface CheckOptions {
  readonly nodeName: string
  /** A reason instead of an access: why the API server can't be asked. null: not wanted. */
  readonly access: ClusterAccess | { readonly problem: string } | null
  readonly bindAddresses: readonly Address[]
  /** Processes that proxy; 0: the agent itself does. */
  readonly workers: number
  readonly vipMode: VipMode | 'auto'
  /** null: none is wanted. */
  readonly stateDir: string | null
  /** null: none is wanted; "-": standard output. */
  readonly accessLog: string | null
}

export async function runChecks(options: CheckOptions): Promise<readonly CheckResult[]> {
  const node = await readNode()
  const local = [
    checkNode(),
    checkDescriptors(options.workers),
    checkPrivilegedPorts(node),
    checkBacklog(node),
    checkAcceptPause(),
    checkMigration(),
    ...checkVipModes(options.vipMode, node),
    ...(options.stateDir === null ? [] : [checkStateDir(options.stateDir)]),
    ...(options.accessLog === null || options.accessLog === '-' ? [] : [checkAccessLog(options.accessLog)]),
  ]
  const ports = await Promise.all(options.bindAddresses.map(checkPortFree))
  return [...local, ...ports, ...(await checkApi(options))]
}

function checkNode(): CheckResult {
  return { name: 'Node.js', verdict: 'ok', found: `${process.versions.node} (24.12 or newer is needed)` }
}

/** Two descriptors a connection: below this, a few thousand clients exhaust a node. */
const goodDescriptorLimit = 65_536

/** The limit is each process's own. */
function checkDescriptors(workers: number): CheckResult {
  const limit = descriptorLimit()
  const each = Math.max(0, Math.floor((limit - 128) / 2))
  const inAll = workers > 1 ? ` in each of ${workers} workers, ${each * workers} in all` : ''
  const found = `${limit}, room for about ${each} connections${inAll}`
  return limit >= goodDescriptorLimit
    ? { name: 'open files', verdict: 'ok', found }
    : {
        name: 'open files',
        verdict: 'warn',
        found,
        remedy: `raise it to ${goodDescriptorLimit} or more (LimitNOFILE=, ulimit -n)`,
      }
}

function checkPrivilegedPorts(node: NodeReadings): CheckResult {
  const first = Number(node.sysctl('net.ipv4.ip_unprivileged_port_start') ?? 1024)
  if (isCapable(node, capNetBindService) || first <= 1)
    return { name: 'ports below 1024', verdict: 'ok', found: 'can be bound' }
  return {
    name: 'ports below 1024',
    verdict: 'warn',
    found: `only ports from ${first} up can be bound`,
    remedy: 'add CAP_NET_BIND_SERVICE, or sysctl -w net.ipv4.ip_unprivileged_port_start=0',
  }
}

function checkBacklog(node: NodeReadings): CheckResult {
  const size = Number(node.sysctl('net.core.somaxconn') ?? 4096)
  const found = `${size} connections may wait to be accepted`
  return size >= 1024
    ? { name: 'accept backlog', verdict: 'ok', found }
    : { name: 'accept backlog', verdict: 'warn', found, remedy: 'sysctl -w net.core.somaxconn=4096' }
}

function checkAcceptPause(): CheckResult {
  const holds = net.BoundSocket !== undefined && canDuplicate()
  return holds
    ? { name: 'out of descriptors', verdict: 'ok', found: 'new connections wait in the kernel' }
    : {
        name: 'out of descriptors',
        verdict: 'warn',
        found: 'new connections are reset: this Node.js has no node:ffi',
        remedy: 'run kube-relay on Node.js 26 or newer',
      }
}

function checkMigration(): CheckResult {
  const name = 'hand-over'
  const state = readTcpMigrateReq()
  if (state === 'on') return { name, verdict: 'ok', found: 'waiting connections go to another worker' }
  if (state === 'settable') {
    return { name, verdict: 'ok', found: 'kube-relay run will set net.ipv4.tcp_migrate_req, and may' }
  }
  const lost = 'connections that wait to be accepted are reset at a reload and when a worker ends'
  return state === 'off'
    ? { name, verdict: 'warn', found: `net.ipv4.tcp_migrate_req is 0: ${lost}`, remedy: tcpMigrateRemedy }
    : {
        name,
        verdict: 'warn',
        found: `no net.ipv4.tcp_migrate_req here: ${lost}`,
        remedy: 'run on Linux 5.14 or newer',
      }
}

/** It would be made by `run`: what decides is the first directory on the way up that is there. */
function checkStateDir(directory: string): CheckResult {
  const name = 'state directory'
  const problem = stateDirProblem(directory)
  if (problem === null) return { name, verdict: 'ok', found: `${directory} can be written` }
  return {
    name,
    verdict: 'warn',
    found: `${directory}: ${problem}; without it nothing is served at a start without API server`,
    remedy: 'make it writable for this user, or name another with --state-dir',
  }
}

function stateDirProblem(directory: string): string | null {
  try {
    let existing = path.resolve(directory)
    while (statSync(existing, { throwIfNoEntry: false }) === undefined) existing = path.dirname(existing)
    if (!statSync(existing).isDirectory()) return `${existing} is not a directory`
    accessSync(existing, constants.W_OK | constants.X_OK)
    return null
  } catch (error) {
    return reasonOf(error)
  }
}

/** Nothing is made here, neither the file nor its directory, and `run` makes only the file. */
function checkAccessLog(file: string): CheckResult {
  const name = 'access log'
  try {
    const found = statSync(file, { throwIfNoEntry: false })
    if (found?.isDirectory()) throw new Error('it is a directory')
    if (found === undefined) accessSync(path.dirname(file), constants.W_OK | constants.X_OK)
    else accessSync(file, constants.W_OK)
    return { name, verdict: 'ok', found: `${file} can be written` }
  } catch (error) {
    const remedy = 'make its directory, writable for this user, or name another file with --access-log'
    return { name, verdict: 'fail', found: `${file}: ${reasonOf(error)}`, remedy }
  }
}

async function checkPortFree(at: Address): Promise<CheckResult> {
  const name = `address ${formatAddress(at.ip, at.port)}`
  const error = await tryBind(at)
  if (error === null) return { name, verdict: 'ok', found: 'free' }
  const remedy = `find who holds it (ss -lntp 'sport = :${at.port}'; kube-proxy uses the same), or choose another`
  return { name, verdict: 'warn', found: reasonOf(error), remedy }
}

const needed = [
  { group: '', resource: 'services' },
  { group: 'discovery.k8s.io', resource: 'endpointslices' },
  { group: '', resource: 'nodes' },
] as const

async function checkApi({ access, nodeName }: CheckOptions): Promise<readonly CheckResult[]> {
  if (access === null) return []
  if ('problem' in access) return [{ name: 'API server', verdict: 'fail', found: access.problem }]
  const client = new KubeClient(access, { version })
  try {
    const info = asFields(await client.get('/version'))
    const found = `${access.server.href} is Kubernetes ${String(info['gitVersion'])}`
    const rules = needed.flatMap(rule => ['list', 'watch'].map(verb => checkRule(client, { ...rule, verb })))
    return [
      { name: 'API server', verdict: 'ok', found },
      ...(await Promise.all(rules)),
      await checkNodeObject(client, nodeName),
    ]
  } catch (error) {
    return [{ name: 'API server', verdict: 'fail', found: reasonOf(error) }]
  } finally {
    await client.close()
  }
}

async function checkRule(
  client: KubeClient,
  { group, resource, verb }: { readonly group: string; readonly resource: string; readonly verb: string },
): Promise<CheckResult> {
  const name = `may ${verb} ${resource}`
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { group, resource, verb } },
  }
  try {
    const answer = asFields(
      await client.request('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        body: review,
      }),
    )
    if (asFields(answer['status'])['allowed'] === true) return { name, verdict: 'ok', found: 'yes' }
    return {
      name,
      verdict: 'fail',
      found: 'no',
      remedy: 'apply deploy/base/rbac.yaml and bind it to this identity',
    }
  } catch (error) {
    return { name, verdict: 'warn', found: `can't tell: ${reasonOf(error)}` }
  }
}

async function checkNodeObject(client: KubeClient, nodeName: string): Promise<CheckResult> {
  try {
    await client
      .get('/api/v1/nodes', { query: { fieldSelector: `metadata.name=${nodeName}` } })
      .then(list => {
        const items = asFields(list)['items']
        if (!Array.isArray(items) || items.length === 0)
          throw new Error(`the cluster has no node ${nodeName}`)
      })
    return { name: 'node object', verdict: 'ok', found: nodeName }
  } catch (error) {
    const remedy = 'give the name the cluster knows with --hostname-override; without it there is no topology'
    return { name: 'node object', verdict: 'warn', found: reasonOf(error), remedy }
  }
}

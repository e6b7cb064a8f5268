// Our own list-watch and agent, and client-node's informers, follow a server through random changes while it forgets
// its history, ends watches and resets connections; then all of them know exactly what it has. FOLLOW_SEED=n repeats
// a run.

import { randomInt } from 'node:crypto'
import { t as suite, test, type Test } from 'tap'
import { buildStatus } from '../../lib/agent-status.ts'
import { startAgent, type Agent, type AgentOptions } from '../../lib/agent.ts'
import { localAddresses } from '../../lib/control/local-addresses.ts'
import { NodePortAddresses } from '../../lib/control/node-port-addresses.ts'
import { anonymousAccess } from '../../lib/kube/cluster-access.ts'
import { readNode } from '../../lib/model/node.ts'
import { readNodePortRanges } from '../../lib/model/node-port-ranges.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { silentLog } from '../../lib/ops/log.ts'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { defaultPassiveHealth } from '../../lib/policy/passive-health.ts'
import type { ControlPlane } from '../../lib/standalone/control-plane.ts'
import { endpointSlices, nodes, pods, services } from '../../lib/standalone/kinds/resources.ts'
import * as watched from '../../lib/watched-resources.ts'
import { createState } from '../control/desired-state-harness.ts'
import { until } from '../dataplane/until.ts'
import { controlPlaneFor } from './builders.ts'
import {
  fastClock,
  followWithListWatch,
  freshCopy,
  freshList,
  informers,
  type Follower,
} from './followers.ts'
import { randomFrom, randomWriter, type Random } from './random-writer.ts'

const nodeName = 'node-1'
const types = [services, endpointSlices, pods, nodes]
const typesByPath = new Map(types.map(type => [type.plural, type]))

// Some ten seconds of work for a machine that has nothing else to do.
const timeout = 300_000
suite.setTimeout(2 * timeout)

void test('10,000 random changes', { timeout }, t => follow(t, { changes: 10_000, streamingLists: true }))
void test('2,000 random changes of a server without streaming lists', { timeout }, t =>
  follow(t, { changes: 2000, streamingLists: false }),
)

async function follow(
  t: Test,
  { changes, streamingLists }: { readonly changes: number; readonly streamingLists: boolean },
): Promise<void> {
  const seed = Number(process.env['FOLLOW_SEED'] ?? randomInt(2 ** 31))
  t.comment(`FOLLOW_SEED=${seed}`)
  const random = randomFrom(seed)
  const controlPlane = await controlPlaneFor(t, {
    // Not where anything else on this machine has its frontends.
    serviceCidrs: ['127.94.0.0/16'],
    nodeName,
    historyLimit: 300,
    maxPendingEvents: 2000,
    bookmarkIntervalMs: 300,
    streamingLists,
  })
  const { url } = controlPlane
  const followers = [...types.map(type => followWithListWatch(url, type)), ...informers(url)]
  for (const follower of followers) t.teardown(() => follower.stop())
  const agent = agentFor(t, url)

  const writer = randomWriter(controlPlane, random, nodeName)
  const disruptions = new Map<string, number>()
  for (let i = 0; i < changes; i++) {
    await writer.change()
    if (random() < 1 / 150) {
      const what = disrupt(controlPlane, random)
      disruptions.set(what, (disruptions.get(what) ?? 0) + 1)
    }
  }
  // Whoever was away for the last of the changes is told so now.
  controlPlane.store.compact()
  controlPlane.dropWatches('reset')
  await controlPlane.settled()
  t.comment(`changes: ${textOf(writer.counts)}`)
  t.comment(`disruptions: ${textOf(disruptions)}`)
  t.comment(`lists: ${followers.map(({ name, lists }) => `${name} ${lists()}`).join(', ')}`)

  for (const follower of followers) {
    const type = typesByPath.get(follower.name.split(/[ /]/).at(-1) ?? '')
    if (!type) throw new Error(`what does ${follower.name} follow?`)
    const expected = await freshCopy(url, type)
    await arrives(() => differences(follower, expected).length === 0)
    t.strictSame(differences(follower, expected), [], `${follower.name}: ${expected.size} objects`)
    t.strictSame(follower.anomalies, [], `${follower.name} is told each change once`)
    t.ok(follower.lists() > changes / 1000, `${follower.name} began anew ${follower.lists()} times`)
  }
  const expected = await expectedTable(url)
  await arrives(async () => tableOf(await agent.status()) === expected)
  t.equal(tableOf(await agent.status()), expected, 'the agent serves what a fresh list says')

  for (const verb of [
    'post',
    'put',
    'merge patch',
    'json patch',
    'strategic patch',
    'status patch',
    'delete',
  ]) {
    t.ok((writer.counts.get(verb) ?? 0) > changes / 200, `enough of ${verb}`)
  }
}

/** One of the ways in which a watch ends, or its place in history is lost. */
function disrupt(controlPlane: ControlPlane, random: Random): string {
  const ways = ['expired', 'reset', 'end', 'compact', 'compact and reset', 'compact and end'] as const
  const way = ways[Math.floor(random() * ways.length)] ?? 'end'
  if (way.startsWith('compact')) controlPlane.store.compact()
  if (way === 'expired') controlPlane.dropWatches('expired')
  if (way.endsWith('reset')) controlPlane.dropWatches('reset')
  if (way.endsWith('end')) controlPlane.dropWatches('end')
  return way
}

/** The first few, which are enough to see what is wrong. */
function differences({ copy }: Follower, expected: ReadonlyMap<string, string>): readonly string[] {
  const actual = copy()
  const all = [
    ...[...expected].flatMap(([key, text]) =>
      actual.get(key) === text ? [] : [`${key} is ${actual.get(key)}, not ${text}`],
    ),
    ...[...actual.keys()].filter(key => !expected.has(key)).map(key => `${key} is gone`),
  ]
  return all.slice(0, 3)
}

/** Waits, but leaves it to the assertion that follows to say what is wrong. */
async function arrives(condition: () => boolean | Promise<boolean>): Promise<void> {
  await until(condition, 'the followers', 50).catch(() => {})
}

const control = {
  nodeName,
  // No address of this machine, so that no NodePort is opened.
  nodePortAddresses: new NodePortAddresses(readNodePortRanges('192.0.2.0/24') ?? []),
  allowLoopbackEndpoints: true,
  defaults: defaultProxySettings,
  clusterCidrs: [],
  vipMode: 'none',
  vipExclude: [],
} satisfies Partial<AgentOptions>

function agentFor(t: Test, url: string): Agent {
  const agent = startAgent({
    ...control,
    access: anonymousAccess(new URL(url)),
    source: 'apiserver',
    log: silentLog,
    clock: fastClock(20),
    passiveHealth: defaultPassiveHealth,
    earlyRetry: false,
    maxConnectionsPerClient: null,
    nodeIp: null,
    minSyncIntervalMs: 1000,
    halfClosedTimeoutMs: 60_000,
    udp: { idleMs: 30_000, streamIdleMs: 180_000, maxFlows: 100 },
    workers: null,
    stateDir: null,
    metricsBindAddress: null,
    healthzBindAddress: null,
    configz: {},
  })
  t.teardown(() => agent.close())
  return agent
}

/** The table that an agent has which has only ever listed, once. */
async function expectedTable(url: string): Promise<string> {
  const { state, sync } = createState({ ...control, localIps: localAddresses() })
  const selected = ({ labelSelector = '', fieldSelector = '' }: typeof watched.services): string =>
    `?labelSelector=${encodeURIComponent(labelSelector)}&fieldSelector=${encodeURIComponent(fieldSelector)}`
  for (const object of await freshList(url, services, selected(watched.services))) state.setService(object)
  for (const object of await freshList(url, endpointSlices, selected(watched.endpointSlices))) {
    state.setEndpointSlice(object)
  }
  const node = (await freshList(url, nodes)).find(({ metadata }) => metadata.name === nodeName)
  state.setNode(node ? readNode(node) : null)
  state.markListed('services')
  state.markListed('endpointSlices')
  sync()
  return tableOf(
    buildStatus({
      node: nodeName,
      generation: 0,
      source: 'apiserver',
      asOf: null,
      synced: true,
      watches: {},
      servicePorts: state.servicePorts,
      dataPlane: { servicePorts: [] } as unknown as Parameters<typeof buildStatus>[0]['dataPlane'],
    }),
  )
}

/** All of the status that doesn't depend on who else listens on this machine, and on what went on before. */
function tableOf({ services: all }: StatusDocument): string {
  const lines = all.map(each => {
    const { setAside: _, connections: __, frontends, ...service } = each
    const open = frontends.map(({ kind, address, state }) =>
      [kind, address, state === 'conflict' ? state : 'own'].join(' '),
    )
    return JSON.stringify({ ...service, frontends: open })
  })
  return lines.sort().join('\n')
}

function textOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${what} ${count}`).join(', ')
}

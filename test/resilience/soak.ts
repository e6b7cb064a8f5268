// The soak: steady load of all kinds while random faults of all kinds happen, one after the other, for as long as is
// asked. In the end everything sent must be answered or explained by a fault that docs/RELIABILITY.md allows to fail
// it, and nothing may have leaked.
//
//   npm run soak                      30 minutes, with a seed of its own
//   npm run soak -- --minutes 2 --seed 7

import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { missingForOwnNetwork } from '../own-network.ts'
import type { AgentProcess } from './agent-process.ts'
import { serviceObject, sliceObject } from './api.ts'
import { endpointAddress } from './endpoints.ts'
import {
  hangWorker,
  isExplained,
  killWorker,
  reload,
  untilDrained,
  untilGone,
  untilNotListening,
  untilServing,
  workerPids,
  type WorkerKill,
} from './faults.ts'
import { requestPort } from './frames.ts'
import type { Load } from './load.ts'
import { trendOf } from './memory.ts'
import { now } from './monotonic.ts'
import { residentMiB, socketInodes, tcpSockets } from './network.ts'
import type { Failure, LoadVerdict, Verdict } from './outcomes.ts'
import { newOwner } from './owner.ts'
import { openScenario, steadyLoads, type Scenario } from './scenario.ts'
import { startTraffic, type Traffic } from './traffic.ts'

/**
 * Connections are to end by themselves, however long the soak is, and descriptors to run out without tens of thousands
 * of connections.
 */
const agentSettings = { args: ['--shutdown-timeout', '24h'], descriptorLimit: 2000 }
const burstConnections = 2400
const burst: Load = {
  kind: 'requests',
  name: 'burst',
  to: ['10.96.1.1:80'],
  clients: 250,
  connections: burstConnections,
  everyMs: 4000,
}

const changing = { name: 'changing', clusterIP: '10.96.2.1', port: 80 }
const changingLoad: Load = {
  kind: 'connections',
  name: 'a Service that changes',
  to: ['10.96.2.1:80'],
  clients: 50,
  perSecond: 20,
}

/** Clients that come and go, so that each generation of workers has some of every kind. */
const passingLoads: readonly Load[] = [
  {
    kind: 'requests',
    name: 'connections for a while',
    to: ['10.96.1.1:80'],
    clients: 40,
    connections: 40,
    everyMs: 500,
    lastsMs: 8000,
  },
  {
    kind: 'datagrams',
    name: 'flows for a while',
    to: ['10.96.1.4:53'],
    clients: 30,
    flows: 30,
    everyMs: 500,
    lastsMs: 8000,
  },
]

/** What a heap may move by without growing. */
const slackMiB = 60
const longestPauseMs = 4000

interface Soak {
  readonly scenario: Scenario
  readonly random: () => number
  readonly kills: WorkerKill[]
  /** What happened when, on the shared clock. */
  readonly events: { readonly name: string; readonly from: number; readonly to: number }[]
  readonly startBurst: () => Promise<Traffic>
  agent: AgentProcess
  /** Failures of loads that were started and judged during the soak. */
  readonly verdicts: Verdict[]
}

const faults: Readonly<Record<string, (soak: Soak) => Promise<void>>> = {
  reload: ({ agent }) => reload(agent),
  'kill a worker': async soak => {
    soak.kills.push(await killWorker(soak.agent, soak.random() < 0.5 ? 0 : 1))
  },
  'hang a worker': async soak => {
    soak.kills.push(await hangWorker(soak.agent, soak.random() < 0.5 ? 0 : 1))
  },
  'kill the agent': async soak => {
    const orphans = workerPids(await soak.agent.status())
    await soak.agent.kill('SIGKILL')
    await delay(soak.random() * longestPauseMs)
    await takeOver(soak, orphans)
  },
  'a second agent': async soak => {
    const { agent } = soak
    const before = workerPids(await agent.status())
    const next = await soak.scenario.startAgent({ ...agentSettings, wait: false })
    await untilServing(next)
    // It ends when its last connection has, which may be at the very end.
    agent.child.kill('SIGTERM')
    soak.agent = next
    await untilNotListening(before)
  },
  'no API server': async ({ scenario, agent, random }) => {
    await scenario.api.stop()
    await delay(random() * longestPauseMs)
    await scenario.api.start()
    await agent.until('the API server is watched again', ({ watches }) =>
      Object.values(watches).every(state => state === 'watching'),
    )
  },
  'no API server while the agent restarts': async soak => {
    const { scenario, agent, random } = soak
    const orphans = workerPids(await agent.status())
    await scenario.api.stop()
    await agent.kill('SIGKILL')
    await takeOver(soak, orphans)
    await delay(random() * longestPauseMs)
    await scenario.api.start()
    await soak.agent.until('the API server is served again', ({ source }) => source === 'apiserver')
  },
  'no descriptors': async soak => {
    const traffic = await soak.startBurst()
    await soak.agent.until('a worker without descriptors', ({ workers }) =>
      workers.some(({ descriptors }) => !descriptors.accepting),
    )
    soak.verdicts.push(await traffic.stop())
    await soak.agent.until('all workers accept', ({ workers }) =>
      workers.every(({ descriptors, draining }) => draining || descriptors.accepting),
    )
  },
}

async function takeOver(soak: Soak, orphans: readonly number[]): Promise<void> {
  soak.agent = await soak.scenario.startAgent({ ...agentSettings, wait: false })
  await untilServing(soak.agent)
  await untilNotListening(orphans)
}

/** mulberry32: the same faults in the same order for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The kinds in a new order each round, so that a short soak meets each of them, too. */
function shuffled(names: readonly string[], random: () => number): readonly string[] {
  return names
    .map(name => ({ name, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ name }) => name)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string' } },
  })
  const missing = missingForOwnNetwork()
  if (missing !== null) {
    say(`soak: skipped, ${missing}`)
    return 0
  }
  const minutes = Number(values.minutes)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6))
  if (!(minutes > 0) || !Number.isInteger(seed)) {
    process.stderr.write('soak: --minutes takes a number above 0, --seed an integer\n')
    return 2
  }
  say(`soak: ${minutes} minutes, seed ${seed}`)
  const owner = newOwner()
  try {
    const problems = await soakFor(minutes * 60_000, randomFrom(seed), owner)
    for (const problem of problems) say(`PROBLEM ${problem}`)
    say(problems.length === 0 ? 'soak: everything is accounted for' : `soak: ${problems.length} problems`)
    return problems.length === 0 ? 0 : 1
  } finally {
    await owner.close()
  }
}

async function soakFor(
  durationMs: number,
  random: () => number,
  owner: ReturnType<typeof newOwner>,
): Promise<readonly string[]> {
  const scenario = await openScenario(owner)
  const pool = [0, 1, 2, 3, 4, 5].map(n => endpointAddress(100 + n))
  const changeEndpoints = (): void => {
    if (!scenario.api.isUp()) return
    const some = pool.filter(() => random() < 0.5)
    scenario.api.apply(sliceObject(changing.name, some.length === 0 ? pool : some, requestPort))
  }
  scenario.api.apply(serviceObject(changing))
  changeEndpoints()
  const soak: Soak = {
    scenario,
    random,
    kills: [],
    events: [],
    verdicts: [],
    agent: await scenario.startAgent(agentSettings),
    startBurst: () => startTraffic(owner, [burst]),
  }
  const first = soak.agent
  await first.until('the Service that changes is served', ({ services }) =>
    services.some(({ name, endpoints }) => name === changing.name && (endpoints.cluster?.length ?? 0) > 0),
  )
  const traffic = await startTraffic(owner, [...steadyLoads, ...passingLoads, changingLoad])
  const churn = setInterval(changeEndpoints, 200)
  const memory = { agent: [] as number[], worker: [] as number[] }
  const begun = now()
  let happened = 0
  while (now() - begun < durationMs) {
    for (const name of shuffled(Object.keys(faults), random)) {
      if (now() - begun >= durationMs) break
      await traffic.answered(20)
      const at = now()
      await faults[name]?.(soak)
      happened += 1
      soak.events.push({ name, from: at, to: now() })
      say(
        `${((at - begun) / 1000).toFixed(0).padStart(5)} s  ${name} (${((now() - at) / 1000).toFixed(1)} s)`,
      )
      memory.agent.push(residentMiB(soak.agent.pid))
      const [worker] = workerPids(await soak.agent.status())
      if (worker !== undefined) memory.worker.push(residentMiB(worker))
    }
  }
  clearInterval(churn)
  await traffic.answered(20)
  const verdict = await traffic.stop()
  say(`soak: ${happened} faults; ${accounts(verdict)}`)
  const problems = [
    ...[verdict, ...soak.verdicts].flatMap(each => unexplained(each, soak)),
    ...(await leaks(soak)),
  ]
  for (const [who, samples] of Object.entries(memory)) {
    const { beforeMiB, afterMiB } = trendOf(samples)
    say(`soak: memory of the ${who}: ${beforeMiB.toFixed(0)} MiB, then ${afterMiB.toFixed(0)} MiB`)
    // NaN, from a soak too short for a trend, is no problem.
    if (afterMiB > beforeMiB + slackMiB) problems.push(`the ${who}'s memory grows`)
  }
  return problems
}

function accounts(verdict: Verdict): string {
  const sum = (pick: (load: LoadVerdict) => number): number =>
    Object.values(verdict).reduce((total, load) => total + pick(load), 0)
  const numbers = {
    sent: sum(load => load.sent),
    answered: sum(load => load.answered),
    failed: sum(load => load.failed),
    broken: sum(load => load.broken.length),
  }
  return Object.entries(numbers)
    .map(([name, number]) => `${number} ${name}`)
    .join(', ')
}

/** The longest silent UDP flow makes room for a new one, and may have waited for an answer. */
const evictsFlows = 'no descriptors'

/** What no killed worker explains, nor a worker without descriptors. */
function unexplained(verdict: Verdict, { kills, events }: Soak): readonly string[] {
  return Object.entries(verdict).flatMap(([name, load]) => {
    const { kind, sent, answered, failed, failures, broken, moved } = load
    const found: string[] = []
    if (sent !== answered + failed) found.push(`${name}: ${sent - answered - failed} unaccounted for`)
    if (answered === 0) found.push(`${name}: nothing was answered`)
    if (failures.length < failed) found.push(`${name}: ${failed} failures are too many to explain`)
    // A flow begins anew, maybe with another endpoint, when its worker is killed, and a young one when a second agent
    // comes: the tests of one fault each hold what stays.
    if (moved > 0 && kind !== 'datagrams') found.push(`${name}: ${moved} answers from another endpoint`)
    const during = ({ startedAt, at }: Failure): readonly string[] =>
      events.filter(({ from, to }) => startedAt < to && at > from).map(event => event.name)
    const isProblem = (failure: Failure): boolean =>
      !kills.some(kill => isExplained(failure, kind, kill)) &&
      !(kind === 'datagrams' && during(failure).includes(evictsFlows))
    for (const failure of [...failures, ...broken].filter(isProblem)) {
      const { reason, client, to, startedAt, at } = failure
      const nearest = kills
        .map(({ killedAt }) => at - killedAt)
        .toSorted((a, b) => Math.abs(a) - Math.abs(b))[0]
      found.push(
        `${name}: ${client} → ${to}: ${reason}, after ${(at - startedAt).toFixed(0)} ms; ` +
          `the nearest kill of a worker was ${nearest?.toFixed(0) ?? 'never'} ms before; ` +
          `meanwhile: ${during(failure).join(', ') || 'nothing'}`,
      )
    }
    return found
  })
}

/** What is left after the last connection has ended. */
async function leaks(soak: Soak): Promise<readonly string[]> {
  const { agent, scenario } = soak
  await untilDrained(agent)
  const status = await agent.until('idle workers', ({ workers }) =>
    workers.every(({ activeConnections, udpFlows }) => activeConnections === 0 && udpFlows === 0),
  )
  const pids = [agent.pid, ...workerPids(status)]
  const found: string[] = []
  const { openConnections } = await scenario.endpoints.report()
  if (openConnections > 0) found.push(`${openConnections} connections to endpoints are left open`)
  const sockets = new Map(tcpSockets().map(socket => [socket.inode, socket]))
  for (const pid of pids) {
    for (const inode of socketInodes(pid)) {
      const socket = sockets.get(inode)
      if (socket === undefined || socket.state === 'LISTEN' || !socket.local.startsWith('10.')) continue
      found.push(`process ${pid} has a socket left: ${socket.local} – ${socket.remote} ${socket.state}`)
    }
  }
  const others = scenario.agentProcesses().filter(pid => !pids.includes(pid))
  await untilGone(others).catch((error: Error) => found.push(error.message))
  return found
}

process.exitCode = await main()

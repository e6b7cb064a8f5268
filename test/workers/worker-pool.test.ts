// The pool with real worker processes and real sockets: they serve as one, and what happens to one of them is made good.

import { once } from 'node:events'
import type net from 'node:net'
import { test, type Test } from 'tap'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import type { WorkerPool, WorkerPoolOptions } from '../../lib/workers/worker-pool.ts'
import { freeAddress, ownIp } from '../dataplane/addresses.ts'
import { delta, snapshot, tcpService, udpService } from '../dataplane/table.ts'
import {
  ask,
  askFrom,
  connectOutcome,
  open,
  outcome,
  startEcho,
  startManual,
  startNamed,
} from '../dataplane/tcp.ts'
import { askUdp, sendUdp, startUdpServer, udpClient } from '../dataplane/udp.ts'
import { until } from '../dataplane/until.ts'
import { newPool, pids, startPool, untilGone, untilReplaced } from './pool.ts'
import { workerOptions } from './pool-options.ts'

void test('two workers serve one address, and the status is the sum of theirs', async t => {
  const pool = await startPool(t)
  const frontend = freeAddress()
  await pool.apply(snapshot(1, tcpService(frontend, [await startNamed(t, 'a')])))
  // Which of them accepts is the kernel's choice, by the ports.
  await until(async () => {
    t.strictSame(await ask(t, frontend), { text: 'a', end: 'end' })
    const { servicePorts, workers } = await pool.status()
    const [port] = servicePorts
    return workers.length === 2 && (port?.connections.total ?? 0) > 20
  }, 'twenty connections')
  const status = await pool.status()
  t.equal(status.generation, 1)
  t.strictSame(
    status.workers.map(({ index, draining, responding, generation }) => ({
      index,
      draining,
      responding,
      generation,
    })),
    [0, 1].map(index => ({ index, draining: false, responding: true, generation: 1 })),
  )
  t.not(status.workers[0]?.pid, status.workers[1]?.pid)
  t.strictSame(status.servicePorts[0]?.frontends, [{ address: frontend, state: 'listening' }])
  await pool.apply(delta(2, [], [tcpService(frontend, []).key]))
  t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED', 'no worker listens any more')
  t.strictSame((await pool.status()).servicePorts, [])
})

void test('a worker that is killed is replaced, while the other one serves', async t => {
  const pool = await startPool(t)
  const frontend = freeAddress()
  const echo = await startEcho(t)
  await pool.apply(snapshot(1, tcpService(frontend, [echo])))
  const sockets = Array.from({ length: 16 }, () => open(t, frontend))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  for (const socket of sockets) socket.write('x')
  await Promise.all(sockets.map(socket => once(socket, 'data')))
  await until(async () => (await pool.status()).activeConnections === 16, 'connections to be counted')
  const before = await pool.status()
  const dialed = ({ dialTimes: { counts } }: typeof before) => counts.reduce((sum, count) => sum + count)
  t.equal(dialed(before), 16, 'all dials are timed, whichever worker did them')
  const [victim = 0, survivor = 0] = await pids(pool)
  const held = before.workers.find(({ pid }) => pid === survivor)?.activeConnections ?? 0
  process.kill(victim, 'SIGKILL')
  const ends = sockets.map(socket => outcome(socket))
  await untilReplaced(pool, 0, victim)
  await until(async () => (await pool.status()).activeConnections === held, 'only the victim’s to be gone')
  for (const socket of sockets) socket.end()
  const broken = (await Promise.all(ends)).filter(({ end }) => end !== 'end').length
  t.ok(broken <= 16 - held, 'no connection of the survivor has broken')
  const after = await pool.status()
  t.ok((after.servicePorts[0]?.connections.total ?? 0) >= 16, 'its counters are kept')
  t.equal(dialed(after), 16, 'and the times of its dials')
  t.match(after.workerRestarts, { crashed: 1, hung: 0, stopped: 0 })
  t.equal(after.generation, 1, 'the new one has the table')
  t.same(await ask(t, frontend, 'hello'), { text: 'hello', end: 'end' })
  t.equal((await pids(pool))[1], survivor)
})

void test('a worker that hangs holds nobody up, and is killed and replaced', async t => {
  const pool = await startPool(t, { pingEveryMs: 200, hungAfterMs: 4000 })
  const [first, second] = [freeAddress(), freeAddress()]
  const named = await startNamed(t, 'a')
  await pool.apply(snapshot(1, tcpService(first, [named])))
  const [victim = 0] = await pids(pool)
  process.kill(victim, 'SIGSTOP')
  t.teardown(() => {
    try {
      process.kill(victim, 'SIGKILL')
    } catch {}
  })
  await pool.apply(delta(2, [tcpService(second, [named], { name: 'second' })]))
  const during = await pool.status()
  t.match(
    during.workers.find(({ pid }) => pid === victim),
    { responding: false, generation: 1 },
    'it is shown as it was',
  )
  t.equal(during.generation, 1, 'not all have the update')
  t.equal(during.workerRestarts.hung, 0, 'and this did not wait for its end')
  await untilReplaced(pool, 0, victim)
  await untilGone(victim)
  const after = await pool.status()
  t.match(after.workerRestarts, { crashed: 0, hung: 1, stopped: 0 })
  t.equal(after.generation, 2)
  t.equal(after.servicePorts.length, 2)
})

interface PoolWithClient {
  readonly pool: WorkerPool
  readonly frontend: string
  readonly workers: readonly number[]
  readonly client: net.Socket
  /** The endpoint's end of the client's connection. */
  readonly served: net.Socket
}

/** A pool with one connection through one of its workers. */
async function poolWithClient(t: Test, overrides: Partial<WorkerPoolOptions> = {}): Promise<PoolWithClient> {
  const pool = await startPool(t, overrides)
  const frontend = freeAddress()
  const backend = await startManual(t)
  await pool.apply(snapshot(1, tcpService(frontend, [backend.address])))
  const workers = await pids(pool, overrides.workers)
  const client = open(t, frontend)
  return { pool, frontend, workers, client, served: await backend.accept() }
}

void test('a worker that is told to stop drains, and is replaced meanwhile', async t => {
  const { pool, workers, client, served } = await poolWithClient(t, {
    workers: 1,
    options: workerOptions({ shutdownTimeoutMs: 600_000 }),
  })
  const [old = 0] = workers
  process.kill(old, 'SIGTERM')
  const now = await untilReplaced(pool, 0, old)
  const status = await pool.status()
  t.match(
    status.workers.map(({ pid, draining, activeConnections }) => ({ pid, draining, activeConnections })),
    [
      { pid: now, draining: false, activeConnections: 0 },
      { pid: old, draining: true, activeConnections: 1 },
    ],
  )
  t.equal(status.workerRestarts.stopped, 1)
  served.write('still here')
  const [text] = (await once(client, 'data')) as [Buffer]
  t.equal(text.toString(), 'still here')
  client.end()
  served.end()
  await untilGone(old)
  t.equal(
    (await pool.status()).servicePorts[0]?.connections.total,
    1,
    'what it has counted at its end is kept',
  )
})

void test('a drain: nobody new, what is open goes on, and then no process is left', async t => {
  const { pool, frontend, workers, client, served } = await poolWithClient(t)
  const drained = pool.drain(null)
  await until(
    async () => (await pool.status()).servicePorts[0]?.frontends[0]?.state !== 'listening',
    'nobody to listen',
    5,
  )
  t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
  served.write('still here')
  const [text] = (await once(client, 'data')) as [Buffer]
  t.equal(text.toString(), 'still here')
  client.end()
  served.end()
  await drained
  await untilGone(...workers)
})

void test('a drain ends what goes on for too long', async t => {
  const { pool, workers, client } = await poolWithClient(t)
  const end = outcome(client)
  await pool.drain(50)
  t.match((await end).end, /^(?:end|ECONNRESET)$/)
  await untilGone(...workers)
})

void test('a second drain or close shortens the first', async t => {
  const { pool, workers } = await poolWithClient(t)
  const drained = pool.drain(null)
  await pool.close()
  await drained
  await untilGone(...workers)
})

/** Clients with what each of them was answered; the pool has heard of all of them. */
async function firstAnswers(
  t: Test,
  pool: WorkerPool,
  frontend: string,
): Promise<ReadonlyMap<string, string>> {
  const answers = new Map<string, string>()
  for (let i = 0; i < 24; i++) {
    const client = ownIp()
    answers.set(client, (await askFrom(t, client, frontend)).text)
  }
  await until(() => [...pool.facts()].length === answers.size, 'the pool to know each client', 5)
  return answers
}

const sticky = (frontend: string, endpoints: readonly string[]): ServicePort =>
  tcpService(frontend, endpoints, { affinityTimeoutSeconds: 10_800 })

void test('a client with affinity meets the same endpoint, whichever worker it gets', async t => {
  const pool = await startPool(t)
  const frontend = freeAddress()
  const endpoints = await Promise.all(['a', 'b', 'c', 'd'].map(name => startNamed(t, name)))
  await pool.apply(snapshot(1, sticky(frontend, endpoints.slice(0, 2))))
  const first = await firstAnswers(t, pool, frontend)
  t.strictSame(new Set(first.values()), new Set(['a', 'b']))
  // Two more: without having been told, a worker would send about half of the clients to them.
  await pool.apply(delta(2, [sticky(frontend, endpoints)]))
  for (let round = 0; round < 4; round++) {
    for (const [client, name] of first) t.equal((await askFrom(t, client, frontend)).text, name)
  }
})

void test('a worker that starts later knows what was found out before', async t => {
  const pool = await startPool(t, { workers: 1 })
  const frontend = freeAddress()
  const endpoints = await Promise.all(['a', 'b', 'c', 'd'].map(name => startNamed(t, name)))
  await pool.apply(snapshot(1, sticky(frontend, endpoints.slice(0, 2))))
  const first = await firstAnswers(t, pool, frontend)
  const [victim = 0] = await pids(pool, 1)
  process.kill(victim, 'SIGKILL')
  await pool.apply(delta(2, [sticky(frontend, endpoints)]))
  await untilReplaced(pool, 0, victim)
  for (const [client, name] of first) t.equal((await askFrom(t, client, frontend)).text, name)

  const successor = newPool({ workers: 1, facts: pool.facts() })
  t.teardown(() => successor.close())
  await successor.started
  await pool.close()
  await successor.apply(snapshot(3, sticky(frontend, endpoints)))
  for (const [client, name] of first) t.equal((await askFrom(t, client, frontend)).text, name)
})

void test('a UDP frontend belongs to one worker; another takes over when that one is killed', async t => {
  const pool = await startPool(t)
  const frontend = freeAddress()
  const server = await startUdpServer(t, data => data)
  await pool.apply(snapshot(1, udpService(frontend, [server])))
  for (let i = 0; i < 20; i++) await askUdp(await udpClient(t), frontend, 'x')
  const flows = (await pool.status()).workers.map(({ udpFlows }) => udpFlows)
  t.strictSame(
    [...flows].sort((a, b) => a - b),
    [0, 20],
  )
  const owner = flows.indexOf(20)
  const victim = (await pids(pool))[owner] ?? 0
  process.kill(victim, 'SIGKILL')
  await untilReplaced(pool, owner, victim)
  const client = await udpClient(t)
  let answered = false
  client.once('message', () => (answered = true))
  await until(
    () => {
      sendUdp(client, frontend, 'y')
      return answered
    },
    'an answer',
    20,
  )
})

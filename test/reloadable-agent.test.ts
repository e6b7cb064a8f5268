// One agent takes over from another in the same process: only when it serves, without its clients noticing, and
// with nothing left of one that was given up or that a stop has overtaken. Real agents, API server, sockets and
// processes; where a limit has to pass, the test moves the clock.

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import type { AgentOptions, WorkersOptions } from '../lib/agent.ts'
import { defaultProxySettings } from '../lib/model/proxy-settings.ts'
import type { Log } from '../lib/ops/log.ts'
import type { LastReload } from '../lib/ops/status.ts'
import {
  startReloadableAgent,
  type ReloadableAgent,
  type ReloadableAgentOptions,
} from '../lib/reloadable-agent.ts'
import type { ControlPlane } from '../lib/standalone/control-plane.ts'
import { agentOptions, echoed, nodeName, serve } from './agents.ts'
import { captureLog } from './control/captured-log.ts'
import { ask, connectOutcome, open, outcome, startEcho, startNamed } from './dataplane/tcp.ts'
import { until } from './dataplane/until.ts'
import { ManualClock } from './manual-clock.ts'
import { controlPlaneFor } from './standalone/builders.ts'
import { untilGone } from './workers/pool.ts'

/** Of this process's own, as the addresses in it are listened on. */
const vip = (last: number): string => `127.95.${process.pid & 255}.${last}`
const frontend = (last: number): string => `${vip(last)}:80`

/** Unlike any other timer's, so that a test can wait until this one runs. */
const apiPatienceMs = 12_345
const shuttingDown = /the agent is being stopped/
/** What a client sees of a connection that is ended, politely or not. */
const ended = /^(?:end|ECONNRESET)$/

function serverAt(t: Test, port = 0): Promise<ControlPlane> {
  return controlPlaneFor(t, { serviceCidrs: ['127.95.0.0/16'], nodeName, port })
}

/** The URL of an API server that is away, and its return at the same place. */
async function absentServer(
  t: Test,
): Promise<{ readonly url: string; readonly back: () => Promise<ControlPlane> }> {
  const { url, port, close } = await serverAt(t)
  await close()
  return { url, back: () => serverAt(t, port) }
}

function start(
  t: Test,
  agent: AgentOptions,
  reread: ReloadableAgentOptions['reread'],
  limits: ReloadableAgentOptions['limits'] = {},
): ReloadableAgent {
  const reloadable = startReloadableAgent({ agent, reread, limits })
  t.teardown(() => reloadable.close())
  return reloadable
}

interface StuckWorkers {
  readonly workers: WorkersOptions
  /** Those that were started and say nothing. */
  pids(): readonly number[]
  /** Resolves when one is there. */
  readonly started: () => Promise<void>
}

const silent = ''
const deafToTables = `
process.send({ type: 'ready' })
process.on('message', ({ type, id }) => type === 'start' && process.send({ type: 'done', id }))`

/** Workers that never serve, and leave a file under their number. */
function stuckWorkers(t: Test, script: string): StuckWorkers {
  const folder = mkdtempSync(path.join(tmpdir(), 'kube-relay-stuck-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  const program = `
${script}
process.on('disconnect', () => process.exit())
setInterval(() => {}, 1e6)
require('node:fs').writeFileSync(process.argv[1] + '/' + process.pid, '')`
  const pids = (): readonly number[] => (existsSync(folder) ? readdirSync(folder).map(Number) : [])
  return {
    workers: {
      count: 1,
      command: [process.execPath, '-e', program, folder],
      log: { level: 'silent', format: 'text' },
      orphanGraceMs: 60_000,
      shutdownTimeoutMs: 1000,
    },
    pids,
    started: () => until(() => pids().length > 0, 'a worker that is stuck', 5),
  }
}

void test('what is read again holds for who comes; who is there stays as before', async t => {
  const controlPlane = await serverAt(t)
  const echo = await startEcho(t)
  serve(controlPlane, 'echo', vip(1), echo)
  const options = agentOptions(controlPlane.url)
  const withHeader = { ...options, defaults: { ...defaultProxySettings, proxyProtocol: 'v1' as const } }
  const agent = start(t, options, async () => withHeader)
  await agent.synced
  t.match((await agent.status()).agent, {
    pid: process.pid,
    reloads: 0,
    reloadRequests: 0,
    lastReload: null,
  })
  const client = open(t, frontend(1))
  t.equal(await echoed(client, 'before'), 'before')
  const second = agent.until(({ services }) => services.length === 2)

  const reloaded = await agent.reload()
  t.match(reloaded, { ok: true, request: 1 })
  t.match((await ask(t, frontend(1), 'hello')).text, /^PROXY TCP4 [^\r]*\r\nhello$/)
  t.equal(await echoed(client, 'after'), 'after')
  const status = await agent.status()
  t.strictSame(status.agent?.lastReload, reloaded)
  t.match(status.agent, { reloads: 1, reloadRequests: 1 })
  t.match(status.workers, [
    { draining: false, activeConnections: 0 },
    { draining: true, activeConnections: 1 },
  ])
  serve(controlPlane, 'another', vip(2), echo)
  t.equal((await second).services.length, 2, 'whoever waited for a status gets it from the successor')

  const end = outcome(client)
  client.end()
  t.equal((await end).end, 'end')
  await until(async () => (await agent.status()).workers.length === 1, 'the first one to end')
})

const refusals: readonly [
  name: string,
  reread: (options: AgentOptions) => Promise<AgentOptions>,
  reason: RegExp,
][] = [
  [
    'what is on disk is of no use',
    () => Promise.reject(new Error('config.conf:1: it makes no sense')),
    /^config\.conf:1: it makes no sense$/,
  ],
  [
    'the node would have another name',
    async options => ({ ...options, nodeName: 'node-2' }),
    /^the node's name would change from node-1 to node-2: that takes a restart$/,
  ],
]

for (const [name, reread, reason] of refusals) {
  void test(`a reload is refused: ${name}`, async t => {
    const controlPlane = await serverAt(t)
    serve(controlPlane, 'echo', vip(3), await startEcho(t))
    const log = captureLog()
    const options = agentOptions(controlPlane.url, { log })
    const agent = start(t, options, () => reread(options))
    await agent.synced
    const client = open(t, frontend(3))
    t.equal(await echoed(client, 'before'), 'before')
    const refused = await agent.reload()
    t.match(refused, { ok: false, reason, request: 1 })
    t.match(
      log.lines.filter(line => line.startsWith('error')),
      [/^error reload failed, going on as before: /],
    )
    const status = await agent.status()
    t.match(status.agent, { reloads: 0, reloadRequests: 1, lastReload: refused })
    t.equal(status.workers.length, 1)
    t.equal(await echoed(client, 'after'), 'after')
    t.same(await ask(t, frontend(3), 'hello'), { text: 'hello', end: 'end' })
  })
}

for (const [name, script] of [
  ['whose workers never say a word', silent],
  ['whose workers never have the table', deafToTables],
] as const) {
  void test(`an agent ${name} is given up, and the old one goes on`, async t => {
    const controlPlane = await serverAt(t)
    serve(controlPlane, 'echo', vip(4), await startEcho(t))
    const clock = new ManualClock()
    const stuck = stuckWorkers(t, script)
    const options = agentOptions(controlPlane.url, { clock })
    const agent = start(t, options, async () => ({ ...options, workers: stuck.workers }))
    await agent.synced
    const client = open(t, frontend(4))
    t.equal(await echoed(client, 'before'), 'before')
    const reloading = settling(agent.reload())
    await stuck.started()
    t.equal((await agent.status()).agent?.lastReload, null, 'it has its time')
    // First for the limit, then for what is given to workers to end by themselves.
    clock.advance(30_000)
    await until(
      () => {
        clock.advance(100)
        return reloading.settled
      },
      'the reload to end',
      5,
    )
    t.match(await reloading.promise, { ok: false, reason: /^nothing is served after 30 s$/ })
    await untilGone(...stuck.pids())
    t.equal(await echoed(client, 'after'), 'after')
    t.same(await ask(t, frontend(4), 'hello'), { text: 'hello', end: 'end' })
    t.match((await agent.status()).agent, { reloads: 0, lastReload: { ok: false } })
  })
}

void test('a successor may serve where the first one never could', async t => {
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'web', vip(5), await startNamed(t, 'web'))
  const stuck = stuckWorkers(t, silent)
  const options = agentOptions(controlPlane.url)
  const agent = start(t, { ...options, workers: stuck.workers }, async () => options)
  await stuck.started()
  t.match(await agent.reload(), { ok: true })
  t.equal((await ask(t, frontend(5))).text, 'web')
  await untilGone(...stuck.pids())
  // Its workers have ended before they served, which is no reason to end for whoever has taken over.
  await agent.serving
  await agent.synced
  t.match(await agent.status(), { synced: true, workers: [{ draining: false }] })
})

void test('while the API server is away, the table of before is taken over, after a while', async t => {
  const controlPlane = await serverAt(t)
  const [first, second] = [await startNamed(t, 'first'), await startNamed(t, 'second')]
  serve(controlPlane, 'echo', vip(6), await startEcho(t))
  serve(controlPlane, 'web', vip(7), first)
  const clock = new ManualClock()
  const options = agentOptions(controlPlane.url, { clock })
  const agent = start(t, options, async () => options, { apiPatienceMs })
  await agent.synced
  const client = open(t, frontend(6))
  t.equal(await echoed(client, 'before'), 'before')
  await controlPlane.close()

  const reloading = agent.reload()
  await clock.armed(ms => ms === apiPatienceMs)
  t.match((await agent.status()).agent, { reloads: 0, lastReload: null }, 'the API server has its time')
  clock.advance(apiPatienceMs)
  t.match(await reloading, { ok: true })
  t.match(await agent.status(), { source: 'snapshot', synced: false, agent: { reloads: 1 } })
  t.equal((await ask(t, frontend(7))).text, 'first')
  t.equal(await echoed(client, 'after'), 'after')

  const back = await serverAt(t, controlPlane.port)
  serve(back, 'echo', vip(6), await startEcho(t))
  serve(back, 'web', vip(7), second)
  await until(
    async () => {
      clock.advance(1000)
      return (await agent.status()).source === 'apiserver'
    },
    'the API server to be heard',
    5,
  )
  t.equal((await ask(t, frontend(7))).text, 'second')
  t.equal(await echoed(client, 'still there'), 'still there')
})

void test('with nothing served yet, a reload waits for the API server only, and not for ever', async t => {
  const { url, back } = await absentServer(t)
  const clock = new ManualClock()
  const options = agentOptions(url, { clock })
  // The limit for a table that is served has no meaning where there is none.
  const agent = start(t, options, async () => options, { apiPatienceMs, servingMs: apiPatienceMs / 2 })
  const reloading = agent.reload()
  await clock.armed(ms => ms === apiPatienceMs)
  t.match((await agent.status()).agent, { reloads: 0, lastReload: null })
  await clock.advanceAndSettle(apiPatienceMs)
  t.match(await reloading, { ok: true })
  t.match(await agent.status(), { generation: 0, services: [], workers: [{ draining: false }] })

  const controlPlane = await back()
  serve(controlPlane, 'web', vip(8), await startNamed(t, 'web'))
  const synced = settling(Promise.all([agent.serving, agent.synced]))
  await until(
    () => {
      clock.advance(1000)
      return synced.settled
    },
    'the successor to serve',
    5,
  )
  await agent.until(({ services }) => services.length === 1)
  t.equal((await ask(t, frontend(8))).text, 'web')
})

void test('with nothing served yet, the right server can be put in the place of a wrong one', async t => {
  const { url } = await absentServer(t)
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'web', vip(9), await startNamed(t, 'web'))
  const agent = start(t, agentOptions(url), async () => agentOptions(controlPlane.url))
  t.match(await agent.reload(), { ok: true })
  await agent.synced
  t.equal((await ask(t, frontend(9))).text, 'web')
})

void test('three reloads asked for at once: one runs, and one more for the other two', async t => {
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'web', vip(10), await startNamed(t, 'web'))
  const options = agentOptions(controlPlane.url)
  let reads = 0
  const agent = start(t, options, async () => {
    reads++
    return options
  })
  await agent.synced
  const outcomes = await Promise.all([agent.reload(), agent.reload(), agent.reload()])
  t.equal(reads, 2)
  t.strictSame(
    outcomes.map(({ ok, request }) => ({ ok, request })),
    [1, 3, 3].map(request => ({ ok: true, request })),
  )
  t.match((await agent.status()).agent, { reloads: 2, reloadRequests: 3, lastReload: { request: 3 } })
  t.match(await agent.reload(), { ok: true, request: 4 })
  t.equal(reads, 3)
  t.equal((await ask(t, frontend(10))).text, 'web')
})

interface Moment {
  readonly agent: ReloadableAgent
  readonly reloading: Promise<LastReload>
  /** Processes that must not be left. */
  readonly pids: readonly number[]
}

const moments: readonly [name: string, arrive: (t: Test, address: string) => Promise<Moment>][] = [
  [
    'the files are being read',
    async (t, clusterIp) => {
      const controlPlane = await serverAt(t)
      serve(controlPlane, 'web', clusterIp, await startNamed(t, 'web'))
      const agent = start(t, agentOptions(controlPlane.url), () => new Promise(() => {}))
      await agent.synced
      return { agent, reloading: agent.reload(), pids: [] }
    },
  ],
  [
    'the next workers start',
    async (t, clusterIp) => {
      const controlPlane = await serverAt(t)
      serve(controlPlane, 'web', clusterIp, await startNamed(t, 'web'))
      const stuck = stuckWorkers(t, silent)
      const options = agentOptions(controlPlane.url)
      const agent = start(t, options, async () => ({ ...options, workers: stuck.workers }))
      await agent.synced
      const reloading = agent.reload()
      await stuck.started()
      return { agent, reloading, pids: stuck.pids() }
    },
  ],
  [
    'the next agent waits for the API server',
    async (t, clusterIp) => {
      const controlPlane = await serverAt(t)
      serve(controlPlane, 'web', clusterIp, await startNamed(t, 'web'))
      const clock = new ManualClock()
      const options = agentOptions(controlPlane.url, { clock })
      const agent = start(t, options, async () => options, { apiPatienceMs })
      await agent.synced
      await controlPlane.close()
      const reloading = agent.reload()
      await clock.armed(ms => ms === apiPatienceMs)
      return { agent, reloading, pids: [] }
    },
  ],
]

for (const [index, [name, arrive]] of moments.entries()) {
  for (const [way, end] of [
    ['stop', (agent: ReloadableAgent) => agent.stop(null)],
    ['close', (agent: ReloadableAgent) => agent.close()],
  ] as const) {
    void test(`a ${way} during a reload, while ${name}: nothing is left`, async t => {
      const last = 11 + index
      const { agent, reloading, pids } = await arrive(t, vip(last))
      t.equal((await ask(t, frontend(last))).text, 'web')
      await end(agent)
      t.match(await reloading, { ok: false, reason: shuttingDown })
      await untilGone(...pids)
      t.equal(await connectOutcome(t, frontend(last)), 'ECONNREFUSED')
      t.match(await agent.reload(), { ok: false, reason: shuttingDown }, 'nobody takes over any more')
      t.equal(await connectOutcome(t, frontend(last)), 'ECONNREFUSED')
    })
  }
}

void test('a stop at any step of a take-over: nothing is left', async t => {
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'web', vip(14), await startNamed(t, 'web'))
  // From before the successor is found to serve until after it has taken over.
  for (let steps = 0; steps < 16; steps++) {
    const options = agentOptions(controlPlane.url)
    const { promise: stopped, resolve } = Promise.withResolvers<void>()
    const log = logCalling('synced: serving the whole table', () => {
      void microtasks(steps).then(() => resolve(agent.stop(null)))
    })
    const agent = start(t, options, async () => ({ ...options, log }))
    await agent.synced
    await agent.reload()
    await stopped
    t.equal(await connectOutcome(t, frontend(14)), 'ECONNREFUSED', `after ${steps} steps`)
    await agent.close()
  }
})

void test('a stop ends what still drains of before, in its own time', async t => {
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'echo', vip(15), await startEcho(t))
  const clock = new ManualClock()
  const options = agentOptions(controlPlane.url, { clock })
  const agent = start(t, options, async () => options)
  await agent.synced
  const client = open(t, frontend(15))
  t.equal(await echoed(client, 'before'), 'before')
  t.match(await agent.reload(), { ok: true }, 'its connections may go on for as long as they like')
  const newcomer = open(t, frontend(15))
  t.equal(await echoed(newcomer, 'hello'), 'hello')
  const stopping = settling(agent.stop(60_000))
  t.equal(await connectOutcome(t, frontend(15)), 'ECONNREFUSED')
  clock.advance(59_000)
  t.equal(await echoed(client, 'after'), 'after')
  t.equal(await echoed(newcomer, 'after'), 'after')
  t.notOk(stopping.settled)
  const ends = [client, newcomer].map(outcome)
  await clock.advanceAndSettle(1000)
  for (const end of ends) t.match((await end).end, ended)
  newcomer.end()
  await stopping.promise
})

void test('a close ends all of them, also during a stop, and may be called twice', async t => {
  const controlPlane = await serverAt(t)
  serve(controlPlane, 'echo', vip(16), await startEcho(t))
  const options = agentOptions(controlPlane.url)
  const agent = start(t, options, async () => options)
  await agent.synced
  const client = open(t, frontend(16))
  t.equal(await echoed(client, 'before'), 'before')
  t.match(await agent.reload(), { ok: true })
  const stopping = agent.stop(null)
  t.equal(await echoed(client, 'after'), 'after')
  const end = outcome(client)
  await Promise.all([agent.close(), agent.close(), stopping])
  t.match((await end).end, ended)
  await agent.close()
  t.equal(await connectOutcome(t, frontend(16)), 'ECONNREFUSED')
})

/** A log that calls back when a line of `message` comes. */
function logCalling(message: string, call: () => void): Log {
  const log = captureLog()
  return {
    ...log,
    info: (...args: readonly unknown[]) => {
      if (args.at(-1) === message) call()
    },
  }
}

async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve()
}

/** A promise that can be asked whether it has been settled. */
function settling<T>(promise: Promise<T>): { readonly promise: Promise<T>; readonly settled: boolean } {
  const result = { promise, settled: false }
  const settle = (): void => void (result.settled = true)
  promise.then(settle, settle)
  return result
}

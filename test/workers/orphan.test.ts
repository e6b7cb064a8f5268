// Workers whose agent is killed: they serve on, until another agent says so, or none has come in time.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'
import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { orphanSocket } from '../../lib/workers/orphan.ts'
import { watchOrphans } from '../../lib/workers/orphans.ts'
import { freeAddress } from '../dataplane/addresses.ts'
import { ask, connectOutcome, open, outcome, startManual, startNamed } from '../dataplane/tcp.ts'
import { until } from '../dataplane/until.ts'
import type { AgentOrder } from './agent-process.ts'
import { isAlive, untilGone } from './pool.ts'
import { workerEnv } from './pool-options.ts'

const program = fileURLToPath(new URL('./agent-process.ts', import.meta.url))

/** Starts an agent and kills it once its workers serve; returns their process ids. */
async function orphans(t: Test, order: AgentOrder): Promise<readonly number[]> {
  const agent = spawn(process.execPath, [program], {
    env: workerEnv,
    // Read by nobody once the agent is gone: the workers' lines meet a closed pipe.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  t.teardown(() => agent.kill('SIGKILL'))
  agent.send(order)
  const [pids] = (await once(agent, 'message')) as [readonly number[]]
  t.teardown(() => {
    for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL')
  })
  agent.stderr?.destroy()
  agent.kill('SIGKILL')
  await once(agent, 'exit')
  t.equal(pids.length, 2)
  return pids
}

/** With a short path: a unix socket's may have 107 bytes. */
function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'orphan-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

function order(fields: Pick<AgentOrder, 'endpoint' | 'stateDir'> & Partial<AgentOrder>): AgentOrder {
  return { frontend: freeAddress(), orphanGraceMs: 600_000, shutdownTimeoutMs: 1000, ...fields }
}

void test('orphans serve on, and end when another agent has taken over', async t => {
  const stateDir = temporaryFolder(t)
  const backend = await startManual(t)
  const given = order({ endpoint: backend.address, stateDir })
  const pids = await orphans(t, given)
  const sockets = pids.map(pid => orphanSocket(stateDir, pid))
  await until(() => sockets.every(existsSync), 'both to listen for an agent', 5)
  t.equal(statSync(path.dirname(sockets[0] ?? '')).mode & 0o777, 0o700)

  const client = open(t, given.frontend)
  const served = await backend.accept()
  const dead = orphanSocket(stateDir, 2 ** 22 + 1)
  writeFileSync(dead, '')
  const stop = watchOrphans({
    stateDir,
    log: silentLog,
    clock: systemClock,
    after: Promise.resolve(),
    drainTimeoutMs: () => null,
  })
  t.teardown(stop)
  await until(() => !sockets.some(existsSync), 'them to be told', 5)
  await until(async () => pids.filter(isAlive).length === 1, 'the idle one to end', 5)
  t.equal(await connectOutcome(t, given.frontend), 'ECONNREFUSED', 'they take nobody new')
  const answer = outcome(client)
  served.end('the last words')
  client.end()
  t.strictSame(await answer, { text: 'the last words', end: 'end' })
  await untilGone(...pids)
})

void test('what an orphan is told wrongly changes nothing', async t => {
  const stateDir = temporaryFolder(t)
  const given = order({ endpoint: await startNamed(t, 'a'), stateDir })
  const [pid = 0, other = 0] = await orphans(t, given)
  const file = orphanSocket(stateDir, pid)
  await until(() => existsSync(file), 'it to listen for an agent', 5)
  for (const said of [
    'nonsense\n',
    '{"type":"close"}\n',
    '{"type":"drain"}\n',
    '{"type":"drain","timeoutMs":-1}\n',
    'x'.repeat(5000),
  ]) {
    const socket = net.connect(file)
    socket.on('error', () => {})
    socket.end(said)
    await once(socket, 'close')
  }
  t.ok(isAlive(pid))
  t.strictSame(await ask(t, given.frontend), { text: 'a', end: 'end' })
  process.kill(pid, 'SIGTERM')
  process.kill(other, 'SIGTERM')
  await untilGone(pid, other)
  t.notOk(existsSync(file), 'it leaves nothing behind')
})

void test('orphans that nobody takes over from end when their grace is over', async t => {
  const given = order({ endpoint: await startNamed(t, 'a'), stateDir: null, orphanGraceMs: 3000 })
  const pids = await orphans(t, given)
  t.strictSame(await ask(t, given.frontend), { text: 'a', end: 'end' }, 'they serve until then')
  await untilGone(...pids)
  t.equal(await connectOutcome(t, given.frontend), 'ECONNREFUSED')
})

void test('a state directory that can’t be used costs nothing but being found', async t => {
  const stateDir = path.join(t.testdir({ file: 'not a folder' }), 'file')
  const given = order({ endpoint: await startNamed(t, 'a'), stateDir, orphanGraceMs: 3000 })
  const pids = await orphans(t, given)
  t.strictSame(await ask(t, given.frontend), { text: 'a', end: 'end' })
  await untilGone(...pids)
})

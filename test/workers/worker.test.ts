// One worker's process: what ends it, and what doesn't.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { captureLog } from '../control/captured-log.ts'
import { freeAddress } from '../dataplane/addresses.ts'
import { delta, snapshot, tcpService } from '../dataplane/table.ts'
import { ask, startNamed } from '../dataplane/tcp.ts'
import { until } from '../dataplane/until.ts'
import { pids, startPool, untilReplaced } from './pool.ts'
import { workerCommand, workerEnv, workerOptions } from './pool-options.ts'

const faulty = fileURLToPath(new URL('./faulty-worker.ts', import.meta.url))

for (const fault of ['exception', 'rejection']) {
  void test(`an unexpected ${fault} ends the worker with its reason, and another one takes its place`, async t => {
    const reasons: unknown[] = []
    const log = captureLog()
    const pool = await startPool(t, {
      workers: 1,
      command: [process.execPath, faulty],
      env: { ...workerEnv, FAULT: fault },
      log: { ...log, error: (fields: unknown) => void reasons.push(fields) } as typeof log,
    })
    const frontend = freeAddress()
    await pool.apply(snapshot(1, tcpService(frontend, [await startNamed(t, 'a')])))
    const [victim = 0] = await pids(pool, 1)
    process.kill(victim, 'SIGUSR2')
    await untilReplaced(pool, 0, victim)
    t.match(reasons, [{ worker: 0, pid: victim, reason: 'nobody caught this (exit code 70)' }])
    t.strictSame(await ask(t, frontend), { text: 'a', end: 'end' })
  })
}

void test('a worker that is started by hand says what it is', async t => {
  const [program = '', ...args] = workerCommand
  const child = spawn(program, args, { env: workerEnv, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 2)
  t.match(said, /started by kube-relay run/)
})

void test('a worker whose agent is gone before it was told anything ends', async t => {
  const [program = '', ...args] = workerCommand
  const child = spawn(program, args, { env: workerEnv, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  child.disconnect()
  const [code] = (await once(child, 'exit')) as [number]
  t.equal(code, 0)
})

void test('a worker that is stopped while an update is under way gets what it has missed in one', async t => {
  const pool = await startPool(t, { pingEveryMs: 100, hungAfterMs: 600_000 })
  const frontend = freeAddress()
  const named = await startNamed(t, 'a')
  await pool.apply(snapshot(1, tcpService(frontend, [named])))
  const [stopped = 0] = await pids(pool)
  process.kill(stopped, 'SIGSTOP')
  let generation = 1
  for (const address of Array.from({ length: 5 }, () => freeAddress())) {
    await pool.apply(delta(++generation, [tcpService(address, [named], { name: `s${generation}` })]))
  }
  t.equal((await pool.status()).generation, 1)
  process.kill(stopped, 'SIGCONT')
  await until(async () => (await pool.status()).generation === generation, 'it to catch up', 5)
  const { servicePorts, workers, workerRestarts } = await pool.status()
  t.equal(servicePorts.length, 6)
  t.ok(servicePorts.every(({ frontends }) => frontends[0]?.state === 'listening'))
  t.strictSame(
    workers.map(({ responding }) => responding),
    [true, true],
  )
  t.match(workerRestarts, { crashed: 0, hung: 0 })
})

void test('options that are sent are those that hold', async t => {
  const options = workerOptions()
  const pool = await startPool(t, {
    workers: 1,
    options: { ...options, dataPlane: { ...options.dataPlane, descriptorLimit: 321 } },
  })
  t.equal((await pool.status()).descriptors.limit, 321)
})

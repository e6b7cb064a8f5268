// Processes of the benchmark: they answer, say why they end, and never outlive it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { startPart } from '../../bench/load/part.ts'
import { loadTools } from '../../bench/load/tools.ts'
import { choosePinning } from '../../bench/pinning.ts'

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(10)
}

void test('a part answers, and ends when it is told to', async t => {
  const part = await startPart('server')
  t.teardown(() => part.stop())
  const options = { kind: 'rr', host: '127.0.0.1', requestBytes: 1, responseBytes: 1 }
  const port = await part.call('serve', options)
  t.type(port, 'number')
  await t.rejects(part.call('nonsense'), { code: 'BENCH', message: /nonsense/ })
  await t.rejects(part.call('serve', { ...options, host: '192.0.2.1' }), {
    code: 'BENCH',
    message: /EADDRNOTAVAIL/,
  })
  await part.stop()
  await part.stop()
  await untilGone(part.pid)
  t.equal(part.alive, false)
  await t.rejects(part.call('serve', options), { code: 'BENCH' })
})

void test('a part that dies rejects what is asked of it, and is replaced', async t => {
  const tools = loadTools(await choosePinning(false, 1))
  t.teardown(() => tools.close())
  const part = await tools.generator()
  t.equal(await tools.generator(), part, 'the same one as long as it lives')
  process.kill(part.pid, 'SIGSTOP')
  const waiting = t.rejects(part.call('mark'), { code: 'BENCH', message: /generator has ended \(SIGKILL\)/ })
  process.kill(part.pid, 'SIGKILL')
  await waiting
  const next = await tools.generator()
  t.not(next.pid, part.pid)
  t.equal(await next.call('mark'), null)
  await tools.close()
  await untilGone(next.pid)
})

void test('an unknown part', async t => {
  await t.rejects(startPart('nonsense'), {
    code: 'BENCH',
    message: /nonsense has ended.*started by kube-relay bench/s,
  })
})

void test('parts end with a benchmark that is killed', async t => {
  const script = `
    const { startPart } = await import(${JSON.stringify(new URL('../../bench/load/part.ts', import.meta.url).href)})
    const part = await startPart('server')
    process.stdout.write(part.pid + '\\n')
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  const pid = Number(text.toString())
  t.ok(isAlive(pid))
  child.kill('SIGKILL')
  await untilGone(pid)
  t.pass('gone')
})

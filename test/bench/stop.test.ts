// A benchmark that is stopped in the middle, by a person or for good: what was measured is shown, and nothing is left.

import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { start } from '../cmd/program.ts'
import { descendantsOf, isAlive, readJson, temporaryFolder } from './processes.ts'

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  void test(`${signal} in the middle: what was measured until then, and nothing left running`, async t => {
    const json = path.join(temporaryFolder(t), 'out.json')
    const program = start(t, [
      'bench',
      'tcp-rr',
      'tcp-crr',
      '--contestants',
      'direct,pipe',
      '--rounds',
      '1000',
      '--duration',
      '200ms',
      '--json',
      json,
    ])
    const pid = program.child.pid ?? 0
    const known = new Map<number, string>()
    // The second contestant is at it: the first one's turn is a measurement already.
    while (![...known.values()].some(command => /bench-part pipe/.test(command))) {
      for (const each of descendantsOf(pid)) known.set(each.pid, each.command)
      if (program.child.exitCode !== null) throw new Error(`it has ended: ${program.stderr()}`)
      await delay(10)
    }
    t.ok(known.size >= 3, 'a server, a generator and a proxy')
    program.child.kill(signal)
    const { code, stdout } = await program.exited
    t.equal(code, 130)
    t.match(stdout, /Stopped before its end/)
    t.match(readJson(json), {
      interrupted: true,
      scenarios: [{ measurements: [{ contestant: 'direct' }], failures: [] }],
    })
    for (const [left, command] of known) {
      while (isAlive(left)) await delay(10)
      t.pass(`gone: ${command}`)
    }
  })
}

void test('killed in the middle: nothing left running', async t => {
  const program = start(t, ['bench', 'tcp-rr', '--contestants', 'pipe', '--duration', '30s'])
  const pid = program.child.pid ?? 0
  const known = new Set<number>()
  for (let pipe = false; !pipe;) {
    for (const each of descendantsOf(pid)) {
      known.add(each.pid)
      pipe ||= /bench-part pipe/.test(each.command)
    }
    if (program.child.exitCode !== null) throw new Error(`it has ended: ${program.stderr()}`)
    await delay(10)
  }
  program.child.kill('SIGKILL')
  for (const left of known) while (isAlive(left)) await delay(10)
  t.pass('all gone')
})

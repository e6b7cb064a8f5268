// Ctrl-C in a terminal, whose signal goes to the whole process group: the table and both files say what was measured until
// then, and of all that the benchmark has started, and of what that has started, nothing is left.

import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { entry } from '../cmd/program.ts'
import { descendantsOf, isAlive, readJson, temporaryFolder } from './processes.ts'

/** In the environment of everything that a benchmark starts, and of what that starts. */
const markName = 'TEST_OF_BENCH_STOP'

function marked(mark: string): readonly number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  return pids.map(Number).filter(pid => {
    try {
      return isAlive(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${markName}=${mark}`)
    } catch {
      return false
    }
  })
}

/** Where a scenario is when it is stopped: the process that is there by then. */
const moments: readonly {
  readonly name: string
  readonly args: readonly string[]
  readonly until: RegExp
  readonly measured: readonly string[]
}[] = [
  {
    name: 'while workers proxy',
    args: ['tcp-rr', '--contestants', 'direct,kube-relay', '--duration', '200ms'],
    until: / worker( |$)/,
    measured: ['tcp-rr'],
  },
  {
    name: 'while an agent lists Services',
    args: ['tcp-crr', 'sync', '--contestants', 'kube-relay', '--duration', '200ms'],
    until: / run .*--master=/,
    measured: ['tcp-crr'],
  },
  {
    name: 'before anything is measured',
    args: ['tcp-rr', '--contestants', 'direct', '--duration', '10m'],
    until: /bench-part/,
    measured: [],
  },
]

for (const { name, args, until, measured } of moments) {
  void test(`Ctrl-C in a terminal ${name}`, async t => {
    const folder = temporaryFolder(t)
    const [json, html] = [path.join(folder, 'out.json'), path.join(folder, 'report.html')]
    const mark = randomUUID()
    // The leader of a process group, as a shell makes it: a terminal's signal goes to all of that.
    const bench = spawn(
      process.execPath,
      [entry, 'bench', ...args, '--rounds', '1000', '--json', json, '--html', html],
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, NODE_OPTIONS: '', [markName]: mark },
      },
    )
    const pid = bench.pid ?? 0
    t.teardown(() => bench.kill('SIGKILL'))
    let stdout = ''
    bench.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    const ended = once(bench, 'close') as Promise<[number | null]>
    while (!descendantsOf(pid).some(({ command }) => until.test(command))) {
      if (bench.exitCode !== null) throw new Error(`it has ended: ${stdout}`)
      await delay(5)
    }
    process.kill(-pid, 'SIGINT')
    const [code] = await ended
    t.equal(code, 130)
    t.match(stdout, /Stopped before its end/)
    const { interrupted, scenarios } = readJson(json)
    t.equal(interrupted, true)
    t.strictSame(
      scenarios.filter(({ measurements }) => measurements.length > 0).map(each => each.name),
      measured,
    )
    t.strictSame(
      scenarios.flatMap(({ failures }) => failures),
      [],
    )
    t.match(readFileSync(html, 'utf8'), /Stopped before its end/)
    while (marked(mark).length > 0) await delay(10)
    t.pass('nothing is left running')
  })
}

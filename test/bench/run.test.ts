// `kube-relay bench` as a process: real runs, short ones, whose figures nobody judges.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { run } from '../cmd/program.ts'
import { readJson, temporaryFolder } from './processes.ts'

const short = ['--contestants', 'direct,pipe', '--rounds', '2', '--duration', '200ms']

void test('a short run, its files, and a comparison with it', async t => {
  const folder = temporaryFolder(t)
  const [json, html] = [path.join(folder, 'out.json'), path.join(folder, 'report.html')]
  const first = await run(t, ['bench', 'tcp-rr', ...short, '--json', json, '--html', html])
  t.equal(first.code, 0, first.stderr)
  t.match(first.stdout, /^tcp-rr {2}64-byte requests/m)
  t.match(first.stdout, /^ {2}direct +\S/m)
  t.match(first.stdout, /^ {2}pipe +\S/m)
  t.match(first.stderr, /out\.json is written/)
  const { scenarios, interrupted, options } = readJson(json)
  const measurements = scenarios[0]?.measurements ?? []
  t.equal(interrupted, false)
  t.match(options, { rounds: 2, durationMs: 200, generator: 'own' })
  t.strictSame(scenarios[0]?.failures, [])
  t.strictSame(
    measurements.map(({ contestant, round }) => [contestant, round]),
    [
      ['direct', 1],
      ['pipe', 1],
      ['direct', 2],
      ['pipe', 2],
    ],
  )
  for (const { contestant, values, latency, errors, operations } of measurements) {
    t.ok(operations > 0 && (values['ops_per_s'] ?? 0) > 0, contestant)
    t.type(latency, 'string')
    t.strictSame(errors, {})
    t.equal('cpu_us_per_op' in values, contestant === 'pipe', 'only a proxy has CPU time of a proxy')
  }
  t.match(readFileSync(html, 'utf8'), /<svg/)

  const second = await run(t, ['bench', 'tcp-rr', ...short, '--no-pin', '--compare', json])
  t.equal(second.code, 0, second.stderr)
  t.match(second.stdout, /compared with .*out\.json/)
  t.match(
    second.stdout,
    /^ {2}tcp-rr +pipe +ops\/s .*unclear$|^ {2}tcp-rr +pipe +ops\/s .*same$/m,
    'two rounds only',
  )
})

void test('each other scenario with traffic', async t => {
  const json = path.join(temporaryFolder(t), 'out.json')
  const { code, stderr } = await run(t, [
    'bench',
    'tcp-crr',
    'tcp-stream',
    'udp-rr',
    '--contestants',
    'direct,pipe',
    '--rounds',
    '1',
    '--duration',
    '200ms',
    '--json',
    json,
  ])
  t.equal(code, 0, stderr)
  const { scenarios } = readJson(json)
  t.strictSame(
    scenarios.map(({ name, measurements, failures, excused }) => [
      name,
      measurements.map(({ contestant }) => contestant),
      failures,
      Object.keys(excused),
    ]),
    [
      ['tcp-crr', ['direct', 'pipe'], [], []],
      ['tcp-stream', ['direct', 'pipe'], [], []],
      ['udp-rr', ['direct'], [], ['pipe']],
    ],
  )
  const stream = scenarios[1]?.measurements[1]?.values ?? {}
  for (const name of ['bytes_per_s', 'up_bytes_per_s', 'down_bytes_per_s'])
    t.ok((stream[name] ?? 0) > 0, name)
})

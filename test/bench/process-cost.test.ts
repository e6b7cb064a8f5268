import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'tap'
import {
  busyShare,
  coresOf,
  cpuTimesOf,
  cpuUsedUs,
  memoryOf,
  sampleCpu,
  type CpuSample,
} from '../../bench/process-cost.ts'

void test('CPU time is read from /proc/PID/stat, whatever the program is called', async t => {
  const stat = '4 (a) b (c) S 1 4 4 0 -1 4194560 1 0 0 0 150 25 30 7 20 0 1 0 100 0 0'
  t.strictSame(cpuTimesOf(stat), { ownUs: 1_750_000, reapedUs: 370_000 })
})

const sample = (own: Record<number, number>, reapedUs = 0): CpuSample => ({
  own: new Map(Object.entries(own).map(([pid, us]) => [Number(pid), us])),
  reapedUs,
})

const windows: readonly [string, CpuSample, CpuSample, number][] = [
  ['nobody', sample({}), sample({}), 0],
  ['one process', sample({ 1: 100 }), sample({ 1: 250 }), 150],
  ['one that was started meanwhile', sample({ 1: 100 }), sample({ 1: 100, 2: 40 }), 40],
  ['one that has ended, and was waited for', sample({ 1: 100, 2: 500 }), sample({ 1: 110 }, 530), 40],
  ['one that has ended, and was not', sample({ 1: 100, 2: 500 }), sample({ 1: 110 }), 10],
  ['one that came and went', sample({ 1: 100 }, 10), sample({ 1: 110 }, 60), 60],
]

void test('CPU time between two samples, while processes come and go', async t => {
  for (const [name, before, after, used] of windows) t.equal(cpuUsedUs(before, after), used, name)
})

void test('a process that works is seen to work', async t => {
  const script =
    'const end = process.cpuUsage().user + 300_000; while (process.cpuUsage().user < end); setInterval(() => {}, 1e6); console.log("done")'
  const child = spawn(process.execPath, ['-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const pid = child.pid ?? 0
  const before = sampleCpu([pid])
  await once(child.stdout, 'data')
  const used = cpuUsedUs(before, sampleCpu([pid]))
  t.ok(used >= 280_000, `${used} µs`)
  t.ok(memoryOf([pid]) > 5_000_000, 'its memory')
  child.kill('SIGKILL')
  await once(child, 'close')
  t.equal(sampleCpu([pid]).own.size, 0, 'gone')
  t.equal(memoryOf([pid]), 0)
})

void test('the little work of many processes is not lost between ticks', async t => {
  // Each works far less than a hundredth of a second after its start, which is what /proc/PID/stat counts in.
  const children = Array.from({ length: 8 }, () =>
    spawn(
      'sh',
      ['-c', 'echo up; read -r line; for i in 1 2 3 4 5 6 7 8 9; do :; done; echo done; read -r line'],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    ),
  )
  t.teardown(() => children.forEach(child => child.kill('SIGKILL')))
  await Promise.all(children.map(({ stdout }) => once(stdout, 'data')))
  const pids = children.map(({ pid = 0 }) => pid)
  const before = sampleCpu(pids)
  const done = children.map(({ stdout }) => once(stdout, 'data'))
  for (const { stdin } of children) stdin.write('go\n')
  await Promise.all(done)
  const after = sampleCpu(pids)
  for (const pid of pids) t.ok((after.own.get(pid) ?? 0) > (before.own.get(pid) ?? 0), String(pid))
})

void test('how busy cores were', async t => {
  const before = coresOf(
    'cpu  9 9 9 9\ncpu0 100 0 100 800 0 0 0 0 0 0\ncpu1 0 0 0 1000 0 0 0 0 0 0\nintr 1\n',
  )
  const after = coresOf('cpu  9 9 9 9\ncpu0 150 0 140 800 0 0 10 0 0 0\ncpu1 0 0 0 1050 50 0 0 0 0 0\n')
  t.equal(busyShare(before, after, [0]), 1)
  t.equal(busyShare(before, after, [1]), 0, 'waiting for a disk is idle')
  t.equal(busyShare(before, after, null), 0.5)
  t.equal(busyShare(before, after, [7]), 0, 'an unknown one')
  t.equal(busyShare(new Map(), new Map(), null), 0)
})

// Lines on their way to a file: together, whole, in order, and counted, whatever the file does.

import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'
import { systemClock } from '../../lib/ops/clock.ts'
import { LineWriter, prepareLineFile, type LineWriterOptions } from '../../lib/ops/line-writer.ts'
import { captureLog } from '../control/captured-log.ts'
import { until } from '../dataplane/until.ts'
import { ManualClock } from '../manual-clock.ts'

function open(t: Test, file: string, overrides: Partial<LineWriterOptions> = {}) {
  const log = captureLog()
  const writer = new LineWriter({ path: file, purpose: 'access log', clock: systemClock, log, ...overrides })
  t.teardown(() => writer.close())
  return { writer, log }
}

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

void test('lines wait for a tenth of a second, and go out together', async t => {
  const file = path.join(t.testdir({}), 'log')
  const clock = new ManualClock()
  const { writer } = open(t, file, { clock })
  await until(
    () => textOf(file) === '' && statSync(file, { throwIfNoEntry: false }) !== undefined,
    'the file',
  )
  t.equal(statSync(file).mode & 0o777, 0o640 & ~process.umask())
  writer.write('one\n')
  writer.write('two\n')
  clock.advance(99)
  t.equal(textOf(file), '')
  clock.advance(1)
  await until(() => writer.counts().written === 2, 'two lines')
  t.equal(textOf(file), 'one\ntwo\n')
})

void test('64 KiB go out at once', async t => {
  const file = path.join(t.testdir({}), 'log')
  const { writer } = open(t, file, { clock: new ManualClock() })
  await until(() => statSync(file, { throwIfNoEntry: false }) !== undefined, 'the file')
  const line = `${'x'.repeat(1023)}\n`
  for (let count = 0; count < 64; count++) writer.write(line)
  await until(() => writer.counts().written === 64, '64 lines')
  t.equal(textOf(file), line.repeat(64))
})

void test('closing writes what waits, and what comes later is counted as dropped', async t => {
  const file = path.join(t.testdir({ log: 'earlier\n' }), 'log')
  const { writer } = open(t, file)
  writer.write('last\n')
  await writer.close()
  await writer.close()
  t.equal(textOf(file), 'earlier\nlast\n')
  writer.write('late\n')
  t.strictSame(writer.counts(), { written: 1, dropped: 1 })
})

void test('a file that is renamed under several writers: each line is in one of the two, whole', async t => {
  const folder = t.testdir({})
  const [file, old] = [path.join(folder, 'log'), path.join(folder, 'log.1')]
  const writers = ['a', 'b', 'c'].map(name => ({ name, ...open(t, file) }))
  let sent = 0
  const write = (): void => {
    for (let count = 0; count < 100; count++, sent++) {
      for (const { name, writer } of writers) writer.write(`${name} ${sent} ${'.'.repeat(sent % 300)}\n`)
    }
  }
  for (let round = 0; round < 20; round++) {
    write()
    await new Promise(resolve => setImmediate(resolve))
  }
  await until(() => textOf(file) !== '', 'the first lines')
  write()
  renameSync(file, old)
  write()
  for (const { writer } of writers) writer.reopen()
  write()
  await Promise.all(writers.map(({ writer }) => writer.close()))
  const lines = [old, file].map(each => textOf(each).split('\n').slice(0, -1))
  t.ok(
    lines.every(each => each.length > 0),
    'both have some',
  )
  for (const { name, writer } of writers) {
    const numbers = lines.flat().flatMap(line => {
      const [, writtenBy, number, dots] = /^([abc]) (\d+) (\.*)$/.exec(line) ?? []
      if (dots === undefined || dots.length !== Number(number) % 300) t.fail(`not a line: ${line}`)
      return writtenBy === name ? [Number(number)] : []
    })
    t.strictSame(
      numbers,
      Array.from({ length: sent }, (_, index) => index),
      `all of ${name}, in order`,
    )
    t.strictSame(writer.counts(), { written: sent, dropped: 0 })
  }
})

void test('what can not be opened anew goes on to the file that is open', async t => {
  const folder = t.testdir({ logs: {} })
  const file = path.join(folder, 'logs', 'log')
  const { writer, log } = open(t, file)
  writer.write('before\n')
  await until(() => writer.counts().written === 1, 'the first line')
  const kept = openSync(file, 'r')
  t.teardown(() => closeSync(kept))
  rmSync(path.dirname(file), { recursive: true })
  writer.reopen()
  writer.write('after\n')
  await writer.close()
  t.equal(readFileSync(kept, 'utf8'), 'before\nafter\n')
  t.match(log.lines, [/^warn access log: can't be opened anew, .*: ENOENT/])
})

void test('a full disk: one warning, lines up to a bound are kept, the rest is counted', async t => {
  const clock = new ManualClock()
  const { writer, log } = open(t, '/dev/full', { clock, maxQueued: 100 })
  for (let count = 0; count < 30; count++) writer.write('123456789\n')
  t.strictSame(writer.counts(), { written: 0, dropped: 20 })
  log.take()
  clock.advance(100)
  await until(() => log.lines.length > 0, 'the warning')
  for (let attempt = 0; attempt < 5; attempt++) {
    writer.write('123456789\n')
    await clock.advanceAndSettle(1000)
  }
  await writer.close()
  t.strictSame(writer.counts(), { written: 0, dropped: 35 })
  t.equal(log.lines.length, 1)
  t.match(log.lines[0], /access log: can't be written, lines are kept for a while: ENOSPC/)
})

void test('a file that can not be opened is tried again every second', async t => {
  const folder = t.testdir({})
  const file = path.join(folder, 'later', 'log')
  const clock = new ManualClock()
  const { writer, log } = open(t, file, { clock })
  writer.write('kept\n')
  await until(() => log.lines.length === 1, 'the warning')
  t.match(log.take(), [/access log: can't be written, .*ENOENT/])
  execFileSync('mkdir', [path.dirname(file)])
  await until(async () => {
    await clock.advanceAndSettle(1000)
    return writer.counts().written === 1
  }, 'the line')
  t.equal(textOf(file), 'kept\n')
  t.match(log.take(), [/info access log: is written again/])
})

const noFifo = spawnSync('mkfifo', ['--version']).status === 0 ? false : 'there is no mkfifo(1) of coreutils'

void test(
  'a slow reader: nothing waits for it, and each line that it gets is whole',
  { skip: noFifo },
  async t => {
    const pipe = path.join(t.testdir({}), 'pipe')
    execFileSync('mkfifo', [pipe])
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
    t.teardown(() => closeSync(reader))
    const { writer, log } = open(t, pipe, { maxQueued: 200_000 })
    const line = (index: number): string => `${index} ${'x'.repeat(index % 700)}\n`
    for (let index = 0; index < 2000; index++) writer.write(line(index))
    await until(() => writer.counts().written > 100, 'a full pipe', 10)
    const early = writer.counts()
    t.ok(early.written + early.dropped < 2000, 'the pipe is full, and so is not the queue')
    t.ok(early.dropped > 0, 'more than fits was dropped')
    t.match(log.lines, [/warn access log: lines come faster than they can be written, and some are dropped/])
    const chunk = Buffer.alloc(65_536)
    let text = ''
    const read = (): void => {
      try {
        for (let size = 1; size > 0; text += chunk.toString('latin1', 0, size)) size = readSync(reader, chunk)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      }
    }
    await until(
      () => {
        read()
        return writer.counts().written + early.dropped === 2000
      },
      'all of it',
      1,
    )
    read()
    const got = text.split('\n').slice(0, -1)
    t.equal(got.length, 2000 - early.dropped)
    for (const each of got)
      if (each !== line(Number.parseInt(each, 10)).slice(0, -1)) t.fail(`not whole: ${each}`)
  },
)

const child = fileURLToPath(new URL('full-disk.ts', import.meta.url))

const onSmallDisk = [
  '--mount',
  '--map-root-user',
  'sh',
  '-c',
  'mount -t tmpfs -o size=64k none "$0" && exec "$@"',
]
const noSmallDisk =
  spawnSync('unshare', [...onSmallDisk, '/mnt', 'true']).status === 0
    ? false
    : 'needs a mount namespace: run the tests as root'

void test(
  'a disk that fills up within a line: none is lost, the torn one is told apart',
  { skip: noSmallDisk },
  async t => {
    const folder = t.testdir({ disk: {} })
    const { stdout, stderr } = spawnSync(
      'unshare',
      [...onSmallDisk, path.join(folder, 'disk'), process.execPath, child, path.join(folder, 'disk')],
      { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
    )
    const { text, counts, warnings } = JSON.parse(stdout || '{"text":""}') as {
      readonly text: string
      readonly counts: unknown
      readonly warnings: readonly string[]
    }
    t.equal(stderr, '')
    t.match(warnings, [/warn access log: can't be written/, /info access log: is written again/])
    t.strictSame(counts, { written: 200, dropped: 0 })
    const lines = text.split('\n').filter(line => /^\d+ x{996}$/.test(line))
    t.strictSame(
      lines.map(line => Number.parseInt(line, 10) - 100),
      Array.from({ length: 200 }, (_, index) => index),
    )
  },
)

void test('a path that can not be written is known at the start', async t => {
  const folder = t.testdir({ log: 'text\n' })
  t.throws(() => prepareLineFile(folder), { code: 'EISDIR' })
  t.throws(() => prepareLineFile(path.join(folder, 'none', 'log')), { code: 'ENOENT' })
  prepareLineFile(path.join(folder, 'log'))
  t.equal(textOf(path.join(folder, 'log')), 'text\n', 'what is in it stays')
  prepareLineFile(path.join(folder, 'new'))
  t.equal(statSync(path.join(folder, 'new')).size, 0)
  prepareLineFile('-')
})

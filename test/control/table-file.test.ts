// The table on disk is always a whole one; whatever else is found there is told of once and ignored.

import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import * as fc from 'fast-check'
import { test } from 'tap'
import { decodeTable, encodeTable } from '../../lib/control/table-file-format.ts'
import { openTableFile, tableFileName, type TableFile } from '../../lib/control/table-file.ts'
import { servicePortKey, type TableSnapshot } from '../../lib/model/proxy-table.ts'
import { systemClock } from '../../lib/ops/clock.ts'
import { ManualClock } from '../manual-clock.ts'
import { servicePort } from '../model/table.ts'
import { until } from '../dataplane/until.ts'
import { captureLog, type CapturedLog } from './captured-log.ts'

function table(generation: number, fields: Partial<TableSnapshot> = {}): TableSnapshot {
  return {
    type: 'snapshot',
    generation,
    asOf: 1_700_000_000_000,
    localSources: ['127.0.0.0/8'],
    healthChecked: [{ namespace: 'default', name: 'lb', uid: 'u', port: 32_000, localEndpoints: 2 }],
    servicePorts: [servicePort('web')],
    ...fields,
  }
}

const textOf = (snapshot: TableSnapshot, node = 'node-1'): string => [...encodeTable(snapshot, node)].join('')

function manyPorts(count: number): TableSnapshot['servicePorts'] {
  return Array.from({ length: count }, (_, index) =>
    servicePort(`s${index}`, { key: servicePortKey('default', `s${index}`, '', 'TCP', 'IPv4') }),
  )
}

interface Opened {
  readonly file: TableFile
  readonly log: CapturedLog
  readonly clock: ManualClock
}

function openIn(directory: string, node = 'node-1'): Opened {
  const log = captureLog()
  const clock = new ManualClock()
  return { file: openTableFile(directory, { node, log, clock }), log, clock }
}

/** The generation on disk. */
function generationIn(directory: string): number | undefined {
  const found = decodeTable(readFileSync(path.join(directory, tableFileName)), 'node-1')
  return 'problem' in found ? undefined : found.generation
}

void test('what is saved is loaded by the next one, in a directory that is made on the way', async t => {
  const directory = path.join(t.testdir(), 'a', 'b')
  const first = openIn(directory)
  t.equal(first.file.load(), null)
  t.strictSame(first.log.take(), [], 'nothing there yet: nothing to tell')
  const saved = table(7, { servicePorts: manyPorts(1001) })
  first.file.save(() => saved)
  await first.file.close()
  await first.file.close()
  t.strictSame(first.file.saves, { saved: 1, failed: 0 })
  t.strictSame(readdirSync(directory), [tableFileName], 'nothing else is left')
  t.equal(statSync(path.join(directory, tableFileName)).mode & 0o777, 0o600)
  const second = openIn(directory)
  t.strictSame(second.file.load(), saved)
  t.strictSame(second.log.take(), ['info found the table of an earlier run'])
})

void test('at most one write every five seconds, and of several tables the last one', async t => {
  const directory = t.testdir()
  const { file, clock } = openIn(directory)
  const taken: number[] = []
  const save = (generation: number): void =>
    file.save(() => {
      taken.push(generation)
      return table(generation)
    })
  save(1)
  await until(() => file.saves.saved === 1, 'saved 1')
  save(2)
  save(3)
  clock.advance(4999)
  t.equal(generationIn(directory), 1)
  clock.advance(1)
  await until(() => file.saves.saved === 2, 'saved 2')
  t.equal(generationIn(directory), 3)
  save(3)
  clock.advance(5000)
  save(4)
  await file.close()
  t.equal(file.saves.saved, 3, 'the same generation again is not written')
  t.equal(generationIn(directory), 4, 'what is pending is written by close')
  t.notOk(taken.includes(2), 'what is not written is not even taken')
  save(5)
  t.equal(clock.pending, 0, 'nothing runs after close')
})

void test('a directory that takes nothing: one warning, another try now and then, and a line when it goes', async t => {
  const directory = path.join(t.testdir({ state: 'a file' }), 'state')
  const { file, log, clock } = openIn(directory)
  file.save(() => table(1))
  await until(() => file.saves.failed === 1, 'failed 1')
  t.equal(log.lines.length, 1)
  t.match(log.take()[0], /^warn the table can't be kept on disk, trying again: .*(EEXIST|ENOTDIR)/)
  await clock.armed()
  clock.advance(29_999)
  t.equal(file.saves.failed, 1)
  clock.advance(1)
  await until(() => file.saves.failed === 2, 'failed 2')
  t.strictSame(log.take(), [])
  unlinkSync(directory)
  file.save(() => table(2))
  await clock.armed()
  clock.advance(30_000)
  await until(() => file.saves.saved === 1, 'saved 1')
  t.strictSame(log.take(), ['info the table is kept on disk again'])
  t.equal(generationIn(directory), 2)
  await file.close()
})

void test('close leaves the table of a successor alone', async t => {
  const directory = t.testdir()
  const older = openIn(directory)
  older.file.save(() => table(1))
  await until(() => older.file.saves.saved === 1, 'saved 1')
  older.file.save(() => table(2))
  const newer = openIn(directory)
  newer.file.save(() => table(3))
  await newer.file.close()
  await older.file.close()
  t.equal(generationIn(directory), 3)
})

void test('a large table is written bit by bit: everything else goes on meanwhile', async t => {
  const { file } = openIn(t.testdir())
  file.save(() => table(1, { servicePorts: manyPorts(10_000) }))
  let turns = 0
  let longest = 0
  while (file.saves.saved === 0) {
    const before = performance.now()
    await new Promise(setImmediate)
    longest = Math.max(longest, performance.now() - before)
    turns++
  }
  t.comment(`${turns} turns, the longest ${longest.toFixed(1)} ms`)
  t.ok(turns > 40, 'at least one for each chunk')
  await file.close()
})

const good = textOf(table(1, { servicePorts: manyPorts(3) }))
const lines = good.trimEnd().split('\n')

/** What a program that is someone else's would write: the checksum is right. */
function signed(...changed: readonly string[]): string {
  const [first = '', ...ports] = changed
  const snapshot = { ...table(1), servicePorts: ports.map(port => JSON.parse(port) as never) }
  return textOf({ ...snapshot, ...(JSON.parse(first) as Partial<TableSnapshot>) })
}

const [header = '', port = '', ...rest] = lines
const damaged: readonly [string, string, RegExp][] = [
  ['empty', '', /it is empty/],
  ['something else', 'hello\n', /not a table of kube-relay/],
  ['other JSON', '{"kind":"Service"}\n', /not a table of kube-relay/],
  ['a null', 'null\n', /not a table of kube-relay/],
  ['the header alone', `${header}\n`, /ends too early/],
  ['a truncated one', good.slice(0, -100), /ends too early/],
  ['cut after a line', `${lines.slice(0, -1).join('\n')}\n`, /ends too early/],
  ['a byte changed', good.replace('10.1.0.1', '10.1.0.9'), /checksum is wrong/],
  ['a line missing', `${[header, ...rest].join('\n')}\n`, /checksum is wrong/],
  [
    'a later version',
    good.replace('"version":1', '"version":2'),
    /it is of version 2, and this program reads 1/,
  ],
  ['another node', textOf(table(1), 'node-2'), /made for node "node-2", not "node-1"/],
  ['a port from elsewhere', signed(header, port.replace('"TCP"', '"SCTP"')), /line 2: protocol is "SCTP"/],
  ['a port twice', signed(header, port, port), /line 3: default\/s0:\/TCP\/IPv4 is there twice/],
  ['generation 0', signed(header.replace('"generation":1', '"generation":0')), /generation is 0/],
  ['no date', signed(header.replace('"asOf":17', '"asOf":1e999,"x":17')), /asOf is/],
  ['no CIDR', signed(header.replace('127.0.0.0/8', '127.0.0.0')), /localSources/],
  ['a health check at no port', signed(header.replace('32000', '0')), /healthChecked: port is 0/],
]

void test('a file that is damaged, or not for us, is told of in one line and ignored', async t => {
  for (const [name, content, expected] of damaged) {
    const directory = t.testdir({ [tableFileName]: content })
    const { file, log } = openIn(directory)
    t.equal(file.load(), null, name)
    t.equal(log.lines.length, 1, name)
    t.match(log.lines[0], expected, name)
    t.match(
      log.lines[0],
      `warn ${path.join(directory, tableFileName)} is ignored: `,
      `${name}: the file is named`,
    )
  }
})

const places: readonly [string, (file: string) => void, RegExp][] = [
  ['writable by others', file => chmodSync(file, 0o666), /others may write it \(chmod go-w\)/],
  ['writable by a group', file => chmodSync(file, 0o620), /others may write it/],
  [
    'in a directory that is writable by others',
    file => chmodSync(path.dirname(file), 0o777),
    /its directory: others may write it/,
  ],
  [
    'a link',
    file => {
      renameSync(file, `${file}.real`)
      symlinkSync(`${file}.real`, file)
    },
    /it is a symbolic link/,
  ],
  [
    'a directory',
    file => {
      unlinkSync(file)
      mkdirSync(file)
    },
    /it is not a file/,
  ],
  [
    'a pipe',
    file => {
      unlinkSync(file)
      if (spawnSync('mkfifo', [file]).status !== 0) writeFileSync(file, '')
    },
    /it is not a file|it is empty/,
  ],
  ['as large as a disk', file => truncateSync(file, 300 * 1024 * 1024), /it has 314572800 bytes/],
]

void test('a file that others could have written, or that is no file', async t => {
  for (const [name, change, expected] of places) {
    const directory = t.testdir({ [tableFileName]: good })
    const file = path.join(directory, tableFileName)
    chmodSync(file, 0o600)
    chmodSync(directory, 0o755)
    t.ok(openIn(directory).file.load(), `${name}: good before`)
    change(file)
    const { file: opened, log } = openIn(directory)
    t.equal(opened.load(), null, name)
    t.equal(log.lines.length, 1, name)
    t.match(log.lines[0], expected, name)
  }
})

void test('a file of another user', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async t => {
  const directory = t.testdir({ [tableFileName]: good })
  const file = path.join(directory, tableFileName)
  chmodSync(file, 0o600)
  spawnSync('chown', ['12345', file])
  const { file: opened, log } = openIn(directory)
  t.equal(opened.load(), null)
  t.match(log.lines, [/it belongs to user 12345/])
})

void test('however a file is cut or changed, it is refused or it is the same table', async () => {
  const content = Buffer.from(good)
  const whole = decodeTable(content, 'node-1')
  const expected = JSON.stringify(whole)
  if ('problem' in whole) throw new Error(whole.problem)
  const isSound = (changed: Buffer): boolean => {
    const found = decodeTable(changed, 'node-1')
    return 'problem' in found || JSON.stringify(found) === expected
  }
  const at = fc.nat({ max: content.length - 1 })
  fc.assert(fc.property(at, end => isSound(content.subarray(0, end))))
  fc.assert(
    fc.property(at, fc.nat({ max: 255 }), (index, byte) => {
      const changed = Buffer.from(content)
      changed[index] = byte
      return isSound(changed)
    }),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(at, fc.uint8Array({ maxLength: 300 }), (index, bytes) =>
      isSound(Buffer.concat([content.subarray(0, index), bytes, content.subarray(index)])),
    ),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1000 }),
      bytes => 'problem' in decodeTable(Buffer.from(bytes), 'n'),
    ),
  )
})

void test('a process that is killed while it writes leaves a whole table', async t => {
  const directory = t.testdir()
  const file = path.join(directory, tableFileName)
  for (let round = 0; round < 5; round++) {
    const writer = fork(path.join(import.meta.dirname, 'table-file-writer.ts'), [directory])
    const ended = once(writer, 'exit')
    await once(writer, 'message')
    // At another point of a write each time; however long that takes, the file must be a whole one.
    for (let turn = 0; turn < round * 5; turn++) await new Promise(setImmediate)
    writer.kill('SIGKILL')
    await ended
    const found = decodeTable(readFileSync(file), 'node-1')
    if ('problem' in found) throw new Error(found.problem)
    const { generation, servicePorts } = found
    t.equal(servicePorts.length, 2000)
    t.ok(servicePorts.every(({ name }) => name.startsWith(`g${generation}-`)))
  }
  const left = readdirSync(directory).filter(name => name.endsWith('.tmp'))
  t.comment(`${left.length} unfinished files of 5 killed writers`)
})

void test('what killed processes have left is removed, what a living one may be writing is not', async t => {
  const name = (digit: string): string => `${tableFileName}.00000000-0000-4000-8000-00000000000${digit}.tmp`
  const directory = t.testdir({ [name('1')]: '', [name('2')]: '', 'other.tmp': '' })
  const longAgo = Date.now() / 1000 - 3600
  for (const each of [name('1'), 'other.tmp']) utimesSync(path.join(directory, each), longAgo, longAgo)
  const { file } = openIn(directory)
  await until(() => readdirSync(directory).length === 2, 'the old file to go')
  t.strictSame(readdirSync(directory).toSorted(), ['other.tmp', name('2')].toSorted())
  await file.close()
})

void test('with the real clock', async t => {
  const directory = t.testdir()
  const file = openTableFile(directory, { node: 'node-1', log: captureLog(), clock: systemClock })
  file.save(() => table(1))
  await until(() => file.saves.saved === 1, 'saved 1')
  rmSync(path.join(directory, tableFileName))
  file.save(() => table(2))
  await file.close()
  t.equal(generationIn(directory), 2, 'a file that was deleted is written again')
})

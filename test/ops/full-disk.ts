// A process that logs to a disk (the folder in its first argument) with less room than it needs, until somebody makes
// room. It says what it came to as JSON.

import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { systemClock } from '../../lib/ops/clock.ts'
import { LineWriter } from '../../lib/ops/line-writer.ts'
import { captureLog } from '../control/captured-log.ts'
import { until } from '../dataplane/until.ts'

const folder = process.argv[2] ?? ''
const [file, filler] = [path.join(folder, 'log'), path.join(folder, 'filler')]
// Room for two pages, which is not a whole number of lines.
writeFileSync(filler, Buffer.alloc(65_536 - 3 * 4096))
const log = captureLog()
const writer = new LineWriter({ path: file, purpose: 'access log', clock: systemClock, log })
const written: string[] = []
let next = 100
const write = (count: number): void => {
  for (let index = 0; index < count; index++) writer.write(`${next++} ${'x'.repeat(996)}\n`)
}
write(50)
await until(() => log.lines.length > 0, 'a full disk', 10)
written.push(readFileSync(file, 'utf8'))
const torn = statSync(file).size % 1001 !== 0
rmSync(filler)
await until(() => writer.counts().written === 50, 'what was kept', 10)
written[0] = readFileSync(file, 'utf8')
// The disk is too small for all of it in one file.
rmSync(file)
for (let round = 0; round < 3; round++) {
  writer.reopen()
  write(50)
  await until(() => writer.counts().written === 100 + 50 * round, 'fifty more', 10)
  written.push(readFileSync(file, 'utf8'))
  rmSync(file)
}
await writer.close()
if (!torn) process.stderr.write('the disk did not fill up in the middle of a line\n')
process.stdout.write(JSON.stringify({ text: written.join(''), counts: writer.counts(), warnings: log.lines }))

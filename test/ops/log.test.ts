// What a line looks like: for people, and for systemd's journal, where that is what standard error leads to.

import { execFileSync, spawnSync } from 'node:child_process'
import { fstatSync, openSync, readFileSync } from 'node:fs'
import { test } from 'tap'
import { asJournalText, leadsToJournal } from '../../lib/ops/log.ts'

const logModule = new URL('../../lib/ops/log.ts', import.meta.url).href
const program = `
  const { createLog } = await import(${JSON.stringify(logModule)})
  const log = createLog({ level: 'info', format: 'text', fields: { worker: 1 } })
  log.debug('not shown')
  log.warn({ service: 'default/web', err: new Error('no route') }, 'it fails')
`
const node = [
  ...process.execArgv.filter(each => !each.includes('import')),
  '--input-type=module',
  '-e',
  program,
]

void test('a line for people has its time and its level', async t => {
  const { stderr } = spawnSync(process.execPath, node, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], JOURNAL_STREAM: '1:2' },
  })
  t.match(
    stderr,
    /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN it fails {2}worker=1 {2}service=default\/web {2}error="no route"\n$/,
  )
})

void test('a line for the journal has a priority', async t => {
  const file = `${t.testdir()}/journal`
  const descriptor = openSync(file, 'w')
  const { dev, ino } = fstatSync(descriptor)
  execFileSync(process.execPath, node, {
    stdio: ['ignore', 'ignore', descriptor],
    env: { PATH: process.env['PATH'], JOURNAL_STREAM: `${dev}:${ino}` },
  })
  t.equal(readFileSync(file, 'utf8'), '<4>it fails  worker=1  service=default/web  error="no route"\n')
  t.equal(leadsToJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, descriptor), true)
  t.equal(leadsToJournal({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, descriptor), false)
  t.equal(leadsToJournal({}, descriptor), false)
  t.equal(leadsToJournal({ JOURNAL_STREAM: '1:2' }, 9999), false, 'a descriptor that is closed')
})

void test('one entry stays one entry', async t => {
  t.equal(asJournalText(JSON.stringify({ level: 50, time: 'x', msg: 'two\nlines' })), '<3>two lines\n')
})

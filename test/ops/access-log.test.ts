// What a line of the access log says, and which connections have one.

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { jsonLines, openAccessLog, textLine, type AccessLogSettings } from '../../lib/ops/access-log.ts'
import { newAccessRecord, type AccessRecord } from '../../lib/ops/access-record.ts'
import { systemClock } from '../../lib/ops/clock.ts'
import { silentLog } from '../../lib/ops/log.ts'

const service = { namespace: 'default', name: 'web', portName: 'http' }
const at = Date.parse('2026-01-02T03:04:05.678Z')

function record(overrides: Partial<AccessRecord> = {}): AccessRecord {
  const client = { ip: '10.2.0.1', port: 40_000 }
  return {
    ...newAccessRecord('TCP', client, { ip: '10.96.0.10', port: 80 }, service, 1000),
    endpoint: '10.244.1.7:8080',
    answeredAt: 1000.4321,
    tries: 1,
    bytesIn: 123,
    bytesOut: 45_678,
    ...overrides,
  }
}

const unanswered = { endpoint: null, answeredAt: null, tries: 3, bytesIn: 0, bytesOut: 0 }

void test('JSON: one object with the fields in their order', async t => {
  const line = jsonLines('node-1', 77)(record(), at, 1250.5)
  t.equal(
    line,
    '{"time":"2026-01-02T03:04:05.678Z","protocol":"TCP","client":"10.2.0.1:40000","frontend":"10.96.0.10:80",' +
      '"service":"default/web:http","endpoint":"10.244.1.7:8080","end":"closed","reason":null,"tries":1,' +
      '"bytesIn":123,"bytesOut":45678,"durationMs":250.5,"dialMs":0.432,"node":"node-1","pid":77}\n',
  )
  const failed = record({ ...unanswered, end: 'failed', reason: 'timeout' })
  t.match(JSON.parse(jsonLines('node-1', 77)(failed, at, 4750)), {
    endpoint: null,
    end: 'failed',
    reason: 'timeout',
    tries: 3,
    durationMs: 3750,
    dialMs: null,
  })
})

void test('text: columns, with a dash for what is not there', async t => {
  t.equal(
    textLine(record(), at, 1250.5),
    '2026-01-02T03:04:05.678Z TCP 10.2.0.1:40000 10.96.0.10:80 default/web:http 10.244.1.7:8080 ' +
      'closed - 1 123 45678 250.5 0.432\n',
  )
  const ipv6 = {
    ...record({ ...unanswered, end: 'rejected', reason: 'source-range' }),
    clientIp: 'fd00::1',
    frontendIp: 'fd00::2',
    service: { ...service, portName: '' },
  }
  t.equal(
    textLine(ipv6, at, 1000),
    '2026-01-02T03:04:05.678Z TCP [fd00::1]:40000 [fd00::2]:80 default/web - rejected source-range 3 0 0 0 -\n',
  )
})

void test('a name can forge neither a line nor a column', async t => {
  const forged = { ...record(), service: { ...service, name: 'a" b\n2026-01-01 \\ é\u2028' } }
  const text = textLine(forged, at, 1000)
  t.equal(text.split('\n').length, 2)
  t.equal(text.split(' ').length, 13)
  t.match(text, 'default/a"\\u{20}b\\u{a}2026-01-01\\u{20}\\u{5c}\\u{20}\\u{e9}\\u{2028}:http')
  const json = jsonLines('n"\n', 1)(forged, at, 1000)
  t.equal(json.split('\n').length, 2)
  t.match(JSON.parse(json), { service: 'default/a" b\n2026-01-01 \\ é\u2028:http', node: 'n"\n' })
})

async function linesOf(
  t: Test,
  settings: Partial<AccessLogSettings>,
  random: () => number,
  records: readonly AccessRecord[],
): Promise<readonly { readonly tries: number }[]> {
  const file = path.join(t.testdir({}), 'access.log')
  const log = openAccessLog(
    { path: file, format: 'json', sample: 1, node: 'node-1', ...settings },
    { clock: systemClock, log: silentLog, random, wallClock: () => at },
  )
  for (const each of records) log.ended(each)
  await log.close()
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  t.strictSame(log.counts(), { written: lines.length, dropped: 0 })
  return lines.map(line => JSON.parse(line) as { readonly tries: number })
}

void test('a sample leaves out nothing but connections that ended as they should', async t => {
  const draws = [0.0999, 0.1, 0.5, 0.05]
  const usual = (['closed', 'client-reset', 'idle', 'closed'] as const).map((end, tries) =>
    record({ end, tries }),
  )
  const unusual = (
    [
      ['failed', 'refused'],
      ['rejected', 'max-connections'],
      ['aborted', 'shutdown'],
      ['upstream-reset', null],
      ['evicted', null],
      ['closed', 'max-connection-age'],
    ] as const
  ).map(([end, reason], index) => record({ end, reason, tries: 10 + index }))
  const records = [...unusual.slice(0, 3), ...usual, ...unusual.slice(3)]
  const lines = await linesOf(t, { sample: 0.1 }, () => draws.shift() ?? 1, records)
  t.strictSame(
    lines.map(({ tries }) => tries),
    [10, 11, 12, 0, 3, 13, 14, 15],
  )
  t.strictSame(draws, [], 'one draw for each that may be left out')
})

void test('without sampling every one has a line, and none is drawn for', async t => {
  const random = (): number => {
    throw new Error('drawn')
  }
  t.equal((await linesOf(t, {}, random, [record(), record({ end: 'idle' })])).length, 2)
})

import * as fc from 'fast-check'
import { test } from 'tap'
import { AffinityTable, maxAffinityClients } from '../../lib/policy/affinity.ts'

const timeoutMs = 10_000

void test('a client keeps its endpoint until the timeout, and no longer', async t => {
  const table = new AffinityTable()
  t.equal(table.find('10.0.0.1', timeoutMs, 0), null, 'never seen')
  table.remember('10.0.0.1', 'a:80', 0)
  t.equal(table.find('10.0.0.1', timeoutMs, 9999), 'a:80')
  t.equal(table.find('10.0.0.2', timeoutMs, 9999), null, 'another client')
  t.equal(table.find('10.0.0.1', timeoutMs, 10_000), null, 'the timeout has passed')
  t.equal(table.size, 0, 'and the client is forgotten')
})

void test('each new connection renews it; looking alone does not', async t => {
  const table = new AffinityTable()
  table.remember('10.0.0.1', 'a:80', 0)
  for (const now of [9000, 18_000, 27_000]) {
    t.equal(table.find('10.0.0.1', timeoutMs, now), 'a:80', `at ${now}`)
    table.remember('10.0.0.1', 'a:80', now)
  }
  t.equal(table.find('10.0.0.1', timeoutMs, 36_999), 'a:80')
  t.equal(table.find('10.0.0.1', timeoutMs, 37_000), null)
})

void test('a client that moves has its new endpoint', async t => {
  const table = new AffinityTable()
  table.remember('10.0.0.1', 'a:80', 0)
  table.remember('10.0.0.1', 'b:80', 1)
  t.equal(table.find('10.0.0.1', timeoutMs, 2), 'b:80')
  t.equal(table.size, 1)
})

void test('a timeout that changes counts at once', async t => {
  const table = new AffinityTable()
  table.remember('10.0.0.1', 'a:80', 0)
  t.equal(table.find('10.0.0.1', 60_000, 30_000), 'a:80', 'longer')
  t.equal(table.find('10.0.0.1', 20_000, 30_000), null, 'shorter')
})

void test('at the limit the client that came longest ago is forgotten', async t => {
  const table = new AffinityTable(2)
  table.remember('10.0.0.1', 'a:80', 0)
  table.remember('10.0.0.2', 'b:80', 1)
  table.remember('10.0.0.1', 'a:80', 2)
  table.remember('10.0.0.3', 'c:80', 3)
  t.equal(table.size, 2)
  t.equal(table.find('10.0.0.2', timeoutMs, 4), null, 'the least recent')
  t.equal(table.find('10.0.0.1', timeoutMs, 4), 'a:80', 'renewed')
  t.equal(table.find('10.0.0.3', timeoutMs, 4), 'c:80')
})

void test('the limit without an argument', async t => {
  const table = new AffinityTable()
  for (let client = 0; client <= maxAffinityClients; client++) table.remember(String(client), 'a:80', client)
  t.equal(table.size, maxAffinityClients)
  t.equal(table.find('0', Number.MAX_SAFE_INTEGER, maxAffinityClients), null)
  t.equal(table.find('1', Number.MAX_SAFE_INTEGER, maxAffinityClients), 'a:80')
})

void test('expire forgets those whose timeout has passed, clear all', async t => {
  const table = new AffinityTable()
  table.remember('10.0.0.1', 'a:80', 0)
  table.remember('10.0.0.2', 'b:80', 5000)
  table.remember('10.0.0.3', 'c:80', 6000)
  table.expire(timeoutMs, 9999)
  t.equal(table.size, 3)
  table.expire(timeoutMs, 15_000)
  t.equal(table.size, 1)
  t.equal(table.find('10.0.0.3', timeoutMs, 15_000), 'c:80')
  table.clear()
  t.equal(table.size, 0)
})

type Step =
  | { readonly do: 'remember'; readonly client: string; readonly endpoint: string; readonly afterMs: number }
  | { readonly do: 'expire'; readonly afterMs: number }

const afterMs = fc.nat(4000)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('remember' as const),
    client: fc.constantFrom('1', '2', '3', '4'),
    endpoint: fc.constantFrom('a', 'b'),
    afterMs,
  }),
  fc.record({ do: fc.constant('expire' as const), afterMs }),
)

void test('whatever happens: as if everything were kept, of the latest clients', async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const table = new AffinityTable(3)
      /** Most recent first. */
      let model: readonly { client: string; endpoint: string; at: number }[] = []
      let now = 0
      return steps.every(each => {
        now += each.afterMs
        if (each.do === 'expire') table.expire(timeoutMs, now)
        else {
          const { client, endpoint } = each
          table.remember(client, endpoint, now)
          model = [{ client, endpoint, at: now }, ...model.filter(known => known.client !== client)].slice(
            0,
            3,
          )
        }
        const expected = (client: string): string | null =>
          model.find(known => known.client === client && now - known.at < timeoutMs)?.endpoint ?? null
        return (
          table.size <= 3 &&
          ['1', '2', '3', '4'].every(client => table.find(client, timeoutMs, now) === expected(client))
        )
      })
    }),
  )
})

void test('what is news to other tables: a new client, another endpoint, a renewal once in a while', async t => {
  const table = new AffinityTable()
  const tellEveryMs = timeoutMs / 4
  const steps: readonly [string, number, boolean][] = [
    ['a:80', 0, true],
    ['a:80', 1, false],
    ['a:80', 2499, false],
    ['a:80', 2500, true],
    ['a:80', 4999, false],
    ['b:80', 4999, true],
    ['b:80', 5000, false],
  ]
  for (const [endpoint, now, isNews] of steps) {
    t.equal(table.remember('10.0.0.1', endpoint, now, tellEveryMs) !== null, isNews, `${endpoint} at ${now}`)
  }
  table.learn('10.0.0.1', 'c:80', 6000)
  t.equal(table.remember('10.0.0.1', 'c:80', 6001, tellEveryMs), null, 'the others know it')
})

const learned: readonly {
  name: string
  known: readonly [string, number] | null
  heard: readonly [string, number]
  holds: string
}[] = [
  { name: 'nothing was known', known: null, heard: ['b:80', 0], holds: 'b:80' },
  { name: 'the later decision', known: ['a:80', 1000], heard: ['b:80', 2000], holds: 'b:80' },
  { name: 'not the earlier one', known: ['a:80', 2000], heard: ['b:80', 1000], holds: 'a:80' },
  {
    name: 'at the same time, the same everywhere',
    known: ['a:80', 1000],
    heard: ['b:80', 1010],
    holds: 'a:80',
  },
  { name: 'whichever comes first', known: ['b:80', 1010], heard: ['a:80', 1000], holds: 'a:80' },
]
for (const { name, known, heard, holds } of learned) {
  void test(`learned from another table: ${name}`, async t => {
    const table = new AffinityTable()
    if (known !== null) table.remember('10.0.0.1', ...known)
    table.learn('10.0.0.1', ...heard)
    t.equal(table.find('10.0.0.1', timeoutMs, 3000), holds)
  })
}

void test('a client that moved has its new endpoint everywhere, however fast the news of it is', async t => {
  const client = '10.0.0.1'
  for (const lateMs of [0, 50, 150]) {
    const [one, two] = [new AffinityTable(), new AffinityTable()]
    const first = one.remember(client, 'a:80', 1000) ?? 0
    two.learn(client, 'a:80', first + lateMs)
    const second = one.remember(client, 'b:80', 1100) ?? 0
    two.learn(client, 'b:80', second)
    t.equal(two.find(client, timeoutMs, 1500), 'b:80', `the first news ${lateMs} ms late, the second at once`)
  }
})

void test('learning renews, and does not grow the table beyond its limit', async t => {
  const table = new AffinityTable(2)
  table.remember('10.0.0.1', 'a:80', 0)
  table.learn('10.0.0.1', 'a:80', 5000)
  t.equal(table.find('10.0.0.1', timeoutMs, 14_999), 'a:80')
  for (let client = 0; client < 10; client++) table.learn(`10.0.1.${client}`, 'a:80', 6000)
  t.equal(table.size, 2)
})

void test('two tables that decide at the same time agree when they have told each other', async () => {
  const endpoint = fc.constantFrom('a', 'b', 'c', null)
  const round = fc.record({ first: endpoint, second: endpoint, apartMs: fc.nat({ max: 50 }) })
  fc.assert(
    fc.property(fc.array(round, { maxLength: 20 }), fc.nat({ max: 50 }), (rounds, delayMs) => {
      const [one, two] = [new AffinityTable(), new AffinityTable()]
      return rounds.every(({ first, second, apartMs }, index) => {
        const [now, later] = [index * 1000, index * 1000 + apartMs]
        const toldFirst = first === null ? null : one.remember('client', first, now)
        // What the first has decided has arrived before the second decides, or after.
        const inTime = delayMs <= apartMs
        if (first !== null && toldFirst !== null && inTime) two.learn('client', first, toldFirst)
        const toldSecond = second === null ? null : two.remember('client', second, later)
        if (first !== null && toldFirst !== null && !inTime) two.learn('client', first, toldFirst)
        if (second !== null && toldSecond !== null) one.learn('client', second, toldSecond)
        const [ofOne, ofTwo] = [one, two].map(table => table.find('client', timeoutMs, later))
        return ofOne === ofTwo
      })
    }),
  )
})

// What workers tell each other: passed on in batches, kept for those that start later, never without bounds.

import { test } from 'tap'
import type { SharedFact } from '../../lib/dataplane/shared-facts.ts'
import type { ServicePortKey } from '../../lib/model/proxy-table.ts'
import { FactBoard } from '../../lib/workers/fact-board.ts'
import { FactOutbox, factsPerMessage, gatherMs } from '../../lib/workers/fact-outbox.ts'
import { ManualClock } from '../manual-clock.ts'

const key = (name: string): ServicePortKey => `default/${name}:/TCP/IPv4` as ServicePortKey

function affinity(service: string, client: string, endpoint = 'e:1', ageMs = 0): SharedFact {
  return { kind: 'affinity', servicePort: key(service), client, endpoint, ageMs }
}

function health(endpoint: string, setAsideForMs: number, timesSetAside: number): SharedFact {
  return { kind: 'health', servicePort: key('web'), endpoint, setAsideForMs, timesSetAside }
}

function client(worker: number, name: string, connections: number): SharedFact {
  return { kind: 'client', worker, client: name, connections }
}

void test('facts wait for others, go out together, and of one thing only the last', async t => {
  const clock = new ManualClock()
  const sent: (readonly SharedFact[])[] = []
  let written: (() => void) | null = null
  const outbox = new FactOutbox(clock, (facts, done) => {
    sent.push(facts)
    written = done
  })
  outbox.add([affinity('web', 'c1', 'e:1')])
  outbox.add([affinity('web', 'c1', 'e:2'), affinity('web', 'c2')])
  t.strictSame(sent, [])
  clock.advance(gatherMs)
  t.strictSame(sent.splice(0), [[affinity('web', 'c1', 'e:2'), affinity('web', 'c2')]])

  outbox.add([affinity('web', 'c3')])
  clock.advance(60_000)
  t.strictSame(sent, [], 'one batch at a time')
  ;(written as unknown as () => void)()
  clock.advance(gatherMs)
  t.strictSame(sent.splice(0), [[affinity('web', 'c3')]])

  outbox.add([affinity('web', 'c4')])
  outbox.flush()
  t.strictSame(sent.splice(0), [[affinity('web', 'c4')]], 'or at once')
  outbox.add([affinity('web', 'c5')])
  outbox.close()
  t.equal(clock.pending, 0)
})

void test('a reader that doesn’t read costs bounded memory', async t => {
  const clock = new ManualClock()
  let sent = 0
  let written = (): void => {}
  const outbox = new FactOutbox(clock, (facts, done) => {
    sent += facts.length
    t.ok(facts.length <= factsPerMessage)
    written = done
  })
  for (let i = 0; i < 200_000; i++) outbox.add([affinity('web', `c${i}`)])
  clock.advance(gatherMs)
  t.equal(sent, factsPerMessage)
  for (let before = 0; before !== sent;) {
    before = sent
    written()
    clock.advance(gatherMs)
  }
  t.equal(sent, 65_536)
})

void test('the board tells what is known, as of now', async t => {
  const clock = new ManualClock()
  const board = new FactBoard(clock)
  board.learn([
    affinity('web', 'c1', 'e:1', 500),
    affinity('web', 'c2'),
    affinity('web', 'c1', 'e:2'),
    health('e:1', 5000, 1),
    health('e:2', 5000, 1),
    health('e:2', 0, 0),
    client(0, 'c1', 40),
    client(1, 'c1', 60),
    client(1, 'c2', 60),
    client(1, 'c2', 0),
  ])
  clock.advance(1000)
  t.strictSame(
    [...board.facts()],
    [
      health('e:1', 4000, 1),
      client(0, 'c1', 40),
      client(1, 'c1', 60),
      affinity('web', 'c2', 'e:1', 1000),
      affinity('web', 'c1', 'e:2', 1000),
    ],
  )
  t.strictSame(board.forgetWorker(1), [client(1, 'c1', 0)])
  t.strictSame(board.forgetWorker(1), [])
  clock.advance(9000)
  t.match([...board.facts()][0], { setAsideForMs: 0, timesSetAside: 1 }, 'over, not forgotten')
})

void test('the board forgets what is out of date or about nothing', async t => {
  const clock = new ManualClock()
  const board = new FactBoard(clock)
  board.learn([affinity('web', 'old'), affinity('gone', 'c'), affinity('plain', 'c'), health('e:1', 10, 1)])
  clock.advance(8000)
  board.learn([affinity('web', 'new')])
  const timeouts = new Map<ServicePortKey, number | null>([
    [key('web'), 10_000],
    [key('plain'), null],
  ])
  clock.advance(3000)
  board.prune(each => timeouts.get(each))
  t.strictSame([...board.facts()].slice(1), [affinity('web', 'new', 'e:1', 3000)])
  clock.advance(3_600_000)
  board.prune(each => timeouts.get(each))
  t.strictSame([...board.facts()], [])
})

void test('the board is bounded: per service port, and in all', async t => {
  const board = new FactBoard(new ManualClock(), 100_000)
  for (let i = 0; i < 70_000; i++) board.learn([affinity('web', `c${i}`)])
  const clients = [...board.facts()].flatMap(fact => (fact.kind === 'affinity' ? fact.client : []))
  t.equal(clients.length, 65_536)
  t.notOk(clients.includes('c0'), 'the one heard of longest ago is forgotten')
  for (let i = 0; i < 50_000; i++) board.learn([affinity('other', `c${i}`)])
  t.equal([...board.facts()].length, 100_000)
  board.learn([affinity('third', 'c')])
  t.equal([...board.facts()].length, 100_000, 'no other service port’s clients make room')
  board.prune(each => (each === key('web') ? 10_000 : undefined))
  board.learn([affinity('third', 'c')])
  t.equal([...board.facts()].length, 65_537)
})

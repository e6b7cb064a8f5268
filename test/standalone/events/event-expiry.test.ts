import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { startEventExpiry } from '../../../lib/standalone/events/event-expiry.ts'
import { events } from '../../../lib/standalone/kinds/resources.ts'
import { internalError } from '../../../lib/standalone/kinds/status.ts'
import { Store } from '../../../lib/standalone/store/store.ts'
import { ManualClock } from '../../manual-clock.ts'

const event = (name: string, fields: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name, namespace: 'default' },
  ...fields,
})
const namesIn = (store: Store): readonly (string | undefined)[] =>
  store.list(events).items.map(({ metadata }) => metadata.name)

void test('an Event goes an hour after its last write', t => {
  const clock = new ManualClock()
  const store = new Store()
  store.create(events, event('before'))
  const stop = startEventExpiry({ store, clock })
  clock.advance(30 * 60_000)
  store.create(events, event('later'))
  store.create(events, event('counted'))
  clock.advance(29 * 60_000)
  store.update(events, event('counted', { count: 2 }))
  t.strictSame(namesIn(store), ['before', 'counted', 'later'])
  clock.advance(60_000)
  t.strictSame(namesIn(store), ['counted', 'later'])
  clock.advance(30 * 60_000)
  t.strictSame(namesIn(store), ['counted'])
  store.create(events, event('gone'))
  store.delete(events, 'default/gone')
  clock.advance(29 * 60_000)
  t.strictSame(namesIn(store), [])
  stop()
  store.create(events, event('after'))
  clock.advance(3 * 60 * 60_000)
  t.strictSame(namesIn(store), ['after'], 'nothing happens once it is stopped')
  t.strictSame(clock.delays, [])
  t.end()
})

void test('of too many Events the ones that were written longest ago go', t => {
  const store = new Store()
  const stop = startEventExpiry({ store, clock: new ManualClock(), limit: 3 })
  for (const name of ['a', 'b', 'c']) store.create(events, event(name))
  store.update(events, event('a', { count: 2 }))
  store.create(events, event('d'))
  t.strictSame(namesIn(store), ['a', 'c', 'd'])
  stop()
  t.end()
})

void test('an Event that the store refuses to remove goes later', t => {
  const clock = new ManualClock()
  let full = false
  const append = (): void => {
    if (full) throw internalError('the disk is full')
  }
  const store = new Store({ journal: { append, committed: () => Promise.resolve() } })
  const stop = startEventExpiry({ store, clock, limit: 2 })
  for (const name of ['a', 'b']) store.create(events, event(name))
  full = true
  clock.advance(60 * 60_000)
  t.strictSame(namesIn(store), ['a', 'b'])
  full = false
  clock.advance(1000)
  t.strictSame(namesIn(store), [])
  stop()
  t.end()
})

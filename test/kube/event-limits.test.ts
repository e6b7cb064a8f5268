import { test } from 'tap'
import { defaultEventLimits, EventFilter, TokenBucket } from '../../lib/kube/event-limits.ts'
import type { ObjectReference } from '../../lib/model/object-event.ts'

const object = (name: string, uid = 'u1'): ObjectReference => ({
  apiVersion: 'v1',
  kind: 'Service',
  namespace: 'default',
  name,
  uid,
})
const [web, api] = [object('web'), object('api')]

void test('a token bucket: a burst, then one per interval', async t => {
  const bucket = new TokenBucket(3, 1000, 0)
  const take = (now: number) => {
    const has = bucket.has(now)
    if (has) bucket.take()
    return has
  }
  t.strictSame([0, 0, 0, 0].map(take), [true, true, true, false])
  t.strictSame([999, 1000, 1000, 2500, 3000, 3000].map(take), [false, true, false, true, true, false])
  t.strictSame([100_000, 100_000, 100_000, 100_000].map(take), [true, true, true, false], 'never more')
})

void test('one event for a cause as long as it lasts', async t => {
  const filter = new EventFilter(defaultEventLimits, 0)
  t.equal(filter.judge(web, 'Failed', 'a', 0), 'new')
  t.equal(filter.judge(web, 'Failed', 'a', 1e9), 'known', 'however long')
  t.equal(filter.judge(web, 'Failed', 'b', 0), 'new', 'another cause')
  t.equal(filter.judge(web, 'Other', 'a', 0), 'new', 'another reason')
  t.equal(filter.judge(api, 'Failed', 'a', 0), 'new', 'another object')
  t.equal(filter.judge(object('web', 'u2'), 'Failed', 'a', 0), 'new', 'one of the same name')
  filter.forget(web, 'Failed', 'a')
  t.equal(filter.judge(web, 'Failed', 'a', 0), 'new', 'it was gone and is back')
  t.equal(filter.judge(web, 'Failed', 'b', 0), 'known')
  filter.forget(web, 'Failed')
  t.equal(filter.judge(web, 'Failed', 'b', 0), 'new', 'all of the reason were gone')
  t.equal(filter.judge(web, 'Other', 'a', 0), 'known')
  filter.forget(web)
  t.equal(filter.judge(web, 'Other', 'a', 0), 'new', 'everything was gone')
})

void test('25 for an object and reason, then one in 5 minutes', async t => {
  const filter = new EventFilter(defaultEventLimits, 0)
  const verdicts = Array.from({ length: 26 }, (_, index) => filter.judge(web, 'Failed', `${index}`, 0))
  t.strictSame(
    verdicts.slice(0, 25),
    Array.from({ length: 25 }, () => 'new'),
  )
  t.equal(verdicts[25], 'too-many')
  t.equal(filter.judge(web, 'Other', 'x', 0), 'new', 'another reason has its own')
  t.equal(filter.judge(api, 'Failed', 'x', 0), 'new', 'another object too')
  t.equal(filter.judge(web, 'Failed', 'x', 299_999), 'too-many')
  t.equal(filter.judge(web, 'Failed', 'x', 300_000), 'new', 'what was too many is not taken for told')
  t.equal(filter.judge(web, 'Failed', 'y', 300_000), 'too-many')
})

void test('a limit for everything together', async t => {
  const filter = new EventFilter({ ...defaultEventLimits, totalBurst: 2 }, 0)
  const verdicts = [0, 0, 0, 1000, 1000].map((now, index) => filter.judge(object(`s${index}`), 'F', 'x', now))
  t.strictSame(verdicts, ['new', 'new', 'too-many', 'new', 'too-many'])
})

void test('memory is bounded: the object unused for longest is forgotten', async t => {
  const filter = new EventFilter({ ...defaultEventLimits, maxObjects: 2 }, 0)
  filter.judge(web, 'F', 'x', 0)
  filter.judge(api, 'F', 'x', 0)
  t.equal(filter.judge(web, 'F', 'x', 0), 'known')
  filter.judge(object('third'), 'F', 'x', 0)
  t.equal(filter.judge(web, 'F', 'x', 0), 'known', 'it was used since')
  t.equal(filter.judge(api, 'F', 'x', 0), 'new')
})

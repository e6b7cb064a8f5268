import type { Test } from 'tap'
import { silentLog } from '../../lib/ops/log.ts'
import { announcePresence } from '../../lib/vip/presence.ts'
import { openVips, type Vips } from '../../lib/vip/vips.ts'
import { captureLog } from '../control/captured-log.ts'
import { ManualClock } from '../manual-clock.ts'
import { fakePlace, markerPrefix } from './fake-place.ts'
import { delta, manyVips, snapshot, vipTest } from './vip-test.ts'

const [a, b, c] = ['10.96.0.1', '10.96.0.2', 'fd00::3'] as const

function setUp(t: Test) {
  const place = fakePlace()
  const former = fakePlace()
  const clock = new ManualClock()
  const log = captureLog()
  const vips = openVips({ mode: 'local', log, clock, place, formerPlaces: [former] })
  t.teardown(() => vips.close())
  return { place, former, clock, log, vips }
}

/** Resolves when every round has run that was due. */
async function idle(vips: Vips): Promise<void> {
  markers += 1
  await vips.user().want(delta({ marker: [`${markerPrefix}${markers}`] }))
}

let markers = 0

vipTest('a first table: opened, looked at, added; later ones cost what changes', async t => {
  const { place, vips, clock } = setUp(t)
  const user = vips.user()
  vips.setSources(['192.0.2.1', '2001:db8::1'])
  t.strictSame(place.take(), [], 'nothing is touched before there is a table')
  await user.want(snapshot({ a: [a], c: [c] }))
  t.strictSame(place.take(), ['open', 'list', `add ${a} ${c}`])
  t.strictSame(
    [...place.there],
    [
      [a, '192.0.2.1'],
      [c, '2001:db8::1'],
    ],
  )
  user.applied()
  await user.want(delta({ b: [b] }))
  t.strictSame(place.take(), [`add ${b}`])
  await user.want(delta({ b: [b], a: [a] }))
  t.strictSame(place.take(), [], 'what is there already costs nothing')
  t.strictSame(vips.status(), { mode: 'local', local: 3, failed: [] })
  t.ok(clock.delays.includes(30_000))
})

vipTest('a table without VIPs makes nothing', async t => {
  const { place, vips, clock } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [] }))
  await clock.armed(delay => delay === 30_000)
  t.strictSame(place.take(), ['list'], 'but an earlier run may have left something')
  await user.want(delta({ a: [a] }))
  t.strictSame(place.take(), ['open', 'list', `add ${a}`])
})

vipTest('the first VIP after a table without any is made by one agent at a time', async t => {
  const { place, vips, clock } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [] }))
  await clock.armed(delay => delay === 30_000)
  const other = await announcePresence(clock)
  const lock = await other.lock(0)
  place.take()
  const wanted = user.want(delta({ a: [a] }))
  await clock.armed(delay => delay === 50)
  t.strictSame(place.take(), [], 'the other one may be about to make what both need')
  await lock?.release()
  clock.advance(50)
  await wanted
  t.strictSame(place.take(), ['open', 'list', `add ${a}`])
  await other.close()
})

vipTest('what comes while a command runs is taken together', async t => {
  const { place, vips } = setUp(t)
  const [first, second] = [vips.user(), vips.user()]
  await first.want(snapshot({ a: [a] }))
  place.take()
  const held = place.hold()
  const wanted = [first.want(delta({ b: [b] }))]
  const goOn = await held
  wanted.push(second.want(snapshot({ b: [b], c: [c] })), first.want(delta({ d: ['10.96.0.4'] })))
  goOn()
  await Promise.all(wanted)
  t.strictSame(place.take(), [`add ${b}`, `add ${c} 10.96.0.4`])
})

vipTest('what nobody wants goes after 5 s, when no connection uses it', async t => {
  const { place, vips, clock } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [a], b: [b] }))
  user.applied()
  await user.want(delta({ a: null, b: null }))
  await clock.advanceAndSettle(5000)
  await idle(vips)
  t.ok(place.there.has(a), 'the data plane still serves it')
  user.applied()
  place.used.add(b)
  clock.advance(4999)
  await idle(vips)
  t.ok(place.there.has(a))
  place.take()
  clock.advance(1)
  await idle(vips)
  t.strictSame(place.take(), ['inUse', `remove ${a}`])
  clock.advance(9999)
  await idle(vips)
  t.strictSame(place.take(), [], 'asked every 10 s')
  clock.advance(1)
  await idle(vips)
  t.strictSame(place.take(), ['inUse'])
  place.used.clear()
  clock.advance(10_000)
  await idle(vips)
  t.equal(place.there.size, 0)
})

vipTest('what is wanted again before that stays', async t => {
  const { place, vips, clock } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [a] }))
  user.applied()
  await user.want(delta({ a: null }))
  user.applied()
  clock.advance(4000)
  place.take()
  await user.want(delta({ again: [a] }))
  user.applied()
  clock.advance(20_000)
  await idle(vips)
  t.strictSame(
    place.take().filter(call => /remove|inUse/.test(call)),
    [],
  )
  t.ok(place.there.has(a))
})

vipTest('several agents of a process want independently of each other', async t => {
  const { place, vips, clock } = setUp(t)
  const [first, second] = [vips.user(), vips.user()]
  await first.want(snapshot({ a: [a], b: [b] }))
  await second.want(snapshot({ a: [a] }))
  first.leave()
  clock.advance(5000)
  await idle(vips)
  t.ok(place.there.has(a))
  t.notOk(place.there.has(b))
})

vipTest('it is not known what is in use: everything stays, and one line says why', async t => {
  const { place, vips, clock, log } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [a] }))
  user.leave()
  place.broken.set('inUse', 'no ss')
  for (const delay of [5000, 10_000, 10_000]) {
    clock.advance(delay)
    await idle(vips)
  }
  t.ok(place.there.has(a))
  t.match(log.take(), [/^warn VIPs that no Service has any more stay: .* no ss$/])
  place.broken.clear()
  clock.advance(10_000)
  await idle(vips)
  t.notOk(place.there.has(a))
})

vipTest('removing fails: it is tried again', async t => {
  const { place, vips, clock, log } = setUp(t)
  const user = vips.user()
  await user.want(snapshot({ a: [a] }))
  user.leave()
  place.broken.set('remove', 'busy')
  clock.advance(5000)
  await idle(vips)
  t.match(log.take(), [/can't be removed: busy/])
  place.broken.clear()
  // The next look finds it.
  clock.advance(25_000)
  await idle(vips)
  clock.advance(5000)
  await idle(vips)
  t.notOk(place.there.has(a))
})

vipTest('a place that does not open: told once, wanting resolves, and it is tried again', async t => {
  const { place, vips, clock, log } = setUp(t)
  const user = vips.user()
  place.broken.set('open', 'no privilege: run it as root')
  await user.want(snapshot({ a: [a] }))
  t.strictSame(vips.status(), {
    mode: 'local',
    local: 0,
    failed: [{ ip: a, reason: 'no privilege: run it as root' }],
  })
  place.take()
  await user.want(delta({ b: [b] }))
  t.strictSame(place.take(), [], 'not for each of them')
  t.equal(vips.status().failed.length, 2)
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(place.take(), ['open'])
  t.strictSame(log.take(), ["warn VIPs can't be made local: no privilege: run it as root"])
  place.broken.clear()
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(vips.status(), { mode: 'local', local: 2, failed: [] })
  t.strictSame(log.take(), ['info VIPs can be made local again'])
})

vipTest('what a VIP is put into is gone: it is made anew at once', async t => {
  const place = fakePlace()
  const open = async (): Promise<void> => {
    place.broken.clear()
    await place.open()
  }
  const options = { mode: 'netns', clock: new ManualClock(), place: { ...place, open } } as const
  const vips = openVips({ ...options, log: silentLog, formerPlaces: [] })
  t.teardown(() => vips.close())
  const user = vips.user()
  await user.want(snapshot({ a: [a] }))
  place.broken.set('add', 'no such namespace')
  place.there.clear()
  await user.want(delta({ b: [b] }))
  t.strictSame(vips.status(), { mode: 'netns', local: 2, failed: [] })
  t.strictSame([...place.there.keys()].sort(), [a, b])
})

vipTest('one that is refused fails alone, and is tried again', async t => {
  const { place, vips, clock, log } = setUp(t)
  const user = vips.user()
  place.refused.set(a, 'somebody has it')
  await user.want(snapshot({ a: [a], b: [b] }))
  t.strictSame(vips.status(), { mode: 'local', local: 1, failed: [{ ip: a, reason: 'somebody has it' }] })
  t.strictSame(log.take(), [`warn VIP ${a} can't be made local: somebody has it`])
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(log.take(), [], 'it is told once')
  place.refused.clear()
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(vips.status().failed, [])
  t.ok(place.there.has(a))
})

vipTest('one that is refused and not wanted any more is no failure', async t => {
  const { place, vips } = setUp(t)
  const user = vips.user()
  place.refused.set(a, 'somebody has it')
  await user.want(snapshot({ a: [a] }))
  user.leave()
  t.strictSame(vips.status().failed, [])
})

vipTest('every 30 s: what is missing, has another source or is left over', async t => {
  const { place, vips, clock } = setUp(t)
  const user = vips.user()
  vips.setSources(['192.0.2.1'])
  await user.want(snapshot({ a: [a], b: [b] }))
  place.there.delete(a)
  place.there.set('10.96.0.9', null)
  place.take()
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(place.take(), ['open', 'list', `add ${a}`])
  clock.advance(5000)
  await idle(vips)
  t.notOk(place.there.has('10.96.0.9'))
  place.take()
  vips.setSources(['192.0.2.1', '192.0.2.7'])
  await idle(vips)
  t.strictSame(place.take(), [], 'the primary one counts')
  vips.setSources(['192.0.2.7'])
  await user.want(delta({ d: ['10.96.0.4'] }))
  t.equal(place.there.get(a), '192.0.2.7')
  t.equal(place.there.get(b), '192.0.2.7')
})

vipTest('beside another agent: leftovers stay, and only what was added here goes', async t => {
  const { place, vips, clock } = setUp(t)
  const other = await announcePresence(clock)
  place.there.set(a, null)
  place.there.set('10.96.0.9', null)
  const user = vips.user()
  await user.want(snapshot({ a: [a], b: [b] }))
  await user.want(delta({ a: null, b: null }))
  user.applied()
  clock.advance(5000)
  await idle(vips)
  t.strictSame([...place.there.keys()], [a, '10.96.0.9'], 'the other may need what it has made')
  await other.close()
  clock.advance(25_000)
  await idle(vips)
  clock.advance(5000)
  await idle(vips)
  t.strictSame([...place.there.keys()], [], 'alone again')
})

vipTest('what an agent in another mode has left goes first, but not beside that agent', async t => {
  const { place, former, vips, clock, log } = setUp(t)
  former.there.set(a, null)
  const other = await announcePresence(clock)
  const user = vips.user()
  await user.want(snapshot({ a: [a] }))
  t.strictSame(former.take(), [])
  await other.close()
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(former.take(), ['list', 'clear'])
  t.match(log.take(), [/another --vip-mode/])
  clock.advance(30_000)
  await clock.armed(delay => delay === 30_000)
  t.strictSame(former.take(), [], 'once')
  t.ok(place.there.has(a))
})

vipTest('a clean stop clears all of it, once, unless another agent is there', async t => {
  const { place, vips, clock } = setUp(t)
  await vips.user().want(snapshot({ a: [a] }))
  place.take()
  await Promise.all([vips.close(), vips.close()])
  t.strictSame(place.take(), ['clear'])
  t.equal(clock.pending, 0)
  await vips.user().want(snapshot({ b: [b] }))
  t.strictSame(place.take(), [], 'closed is closed')

  const beside = setUp(t)
  const other = await announcePresence(beside.clock)
  await beside.vips.user().want(snapshot({ a: [a] }))
  await beside.vips.close()
  t.ok(beside.place.there.has(a))
  t.ok(await other.isAlone(), 'it has gone')
  await other.close()
})

vipTest('a stop in the middle of adding: nothing stays', async t => {
  const { place, vips } = setUp(t)
  const held = place.hold()
  const wanted = vips.user().want(snapshot({ a: [a] }))
  const goOn = await held
  const closed = vips.close()
  goOn()
  await Promise.all([wanted, closed])
  t.equal(place.there.size, 0)
})

vipTest('a stop without any table leaves what is there to whoever serves it', async t => {
  const { place, vips } = setUp(t)
  place.there.set(a, null)
  await vips.close()
  t.strictSame(place.take(), [])
})

vipTest('somebody who holds the lock and hangs does not keep VIPs from becoming local', async t => {
  const { place, vips, clock, log } = setUp(t)
  const other = await announcePresence(clock)
  const lock = await other.lock(0)
  place.there.set('10.96.0.9', null)
  const wanted = vips
    .user()
    .want(snapshot({ a: [a] }))
    .then(() => 'local' as const)
  const retry = () => clock.armed(delay => delay === 50)
  while ((await Promise.race([wanted, retry()])) !== 'local') clock.advance(50)
  t.ok(place.there.has(a))
  t.ok(place.there.has('10.96.0.9'))
  t.match(log.take(), [/^warn another kube-relay .* lock/])
  await lock?.release()
  await other.close()
})

vipTest('one change among 10,000 does not ask for the others', async t => {
  const { place, vips } = setUp(t)
  const user = vips.user()
  await user.want(snapshot(Object.fromEntries(manyVips('IPv4', 10_000).map(vip => [vip, [vip]]))))
  t.equal(place.there.size, 10_000)
  place.take()
  await user.want(delta({ a: [a] }))
  t.strictSame(place.take(), [`add ${a}`])
})

vipTest('mode none does nothing', async t => {
  const place = fakePlace()
  const clock = new ManualClock()
  const vips = openVips({ mode: 'none', log: captureLog(), clock, place })
  const user = vips.user()
  vips.setSources(['192.0.2.1'])
  await user.want(snapshot({ a: [a] }))
  user.applied()
  user.leave()
  t.strictSame(vips.status(), { mode: 'none', local: 0, failed: [] })
  await vips.close()
  t.strictSame(place.take(), [])
  t.equal(clock.pending, 0)
})

import { test } from 'tap'
import { VipWishes } from '../../lib/vip/vip-wishes.ts'
import { leftovers, sourcesOf, toAdd } from '../../lib/vip/vip-plan.ts'
import type { Frontend } from '../../lib/model/proxy-table.ts'
import { servicePort } from '../model/table.ts'
import { delta, snapshot } from './vip-test.ts'

function recorded() {
  const changes: string[] = []
  const wishes = new VipWishes({
    wanted: ip => changes.push(`+${ip}`),
    unwanted: ip => changes.push(`-${ip}`),
  })
  return { wishes, take: () => changes.splice(0) }
}

void test('wishes end when the data plane has the update, not before', async t => {
  const { wishes, take } = recorded()
  const user = wishes.user()
  t.strictSame(user.want(snapshot({ a: ['10.96.0.1'], b: ['10.96.0.2'] })), ['10.96.0.1', '10.96.0.2'])
  t.strictSame(take(), ['+10.96.0.1', '+10.96.0.2'])
  t.strictSame(user.want(delta({ a: ['10.96.0.3'], b: null })), ['10.96.0.3'], 'only what the delta names')
  t.strictSame(take(), ['+10.96.0.3'])
  t.ok(wishes.has('10.96.0.1'))
  user.applied()
  t.strictSame(take().sort(), ['-10.96.0.1', '-10.96.0.2'])
  t.strictSame([...wishes.all()], ['10.96.0.3'])
})

void test('a snapshot replaces all of it, and what comes back in time has never been away', async t => {
  const { wishes, take } = recorded()
  const user = wishes.user()
  user.want(snapshot({ a: ['10.96.0.1'], b: ['10.96.0.2'] }))
  user.applied()
  take()
  user.want(snapshot({ b: ['10.96.0.2'], c: ['10.96.0.3'] }))
  user.want(delta({ d: ['10.96.0.1'] }))
  user.applied()
  t.strictSame(take(), ['+10.96.0.3'])
})

void test('an address is wanted as long as one service port of one user has it', async t => {
  const { wishes, take } = recorded()
  const [first, second] = [wishes.user(), wishes.user()]
  first.want(snapshot({ a: ['10.96.0.1'], 'a-other-port': ['10.96.0.1'] }))
  second.want(snapshot({ a: ['10.96.0.1'], b: ['fd00::1'] }))
  first.want(delta({ a: null }))
  first.applied()
  t.strictSame(take(), ['+10.96.0.1', '+fd00::1'])
  first.leave()
  first.leave()
  t.strictSame(take(), [])
  second.leave()
  t.strictSame(take().sort(), ['-10.96.0.1', '-fd00::1'])
  t.equal(wishes.size, 0)
})

void test('only frontends that are to be made local count', async t => {
  const { wishes } = recorded()
  const at = (ip: string, more: Partial<Frontend>): Frontend => ({
    kind: 'ExternalIP',
    ip,
    port: 80,
    list: 'cluster',
    ...more,
  })
  const port = servicePort('web', {
    frontends: [
      at('10.96.0.1', { vip: true }),
      at('192.0.2.1', {}),
      at('10.96.0.3', { vip: true, conflict: 'another Service' }),
    ],
  })
  wishes.user().want({ type: 'snapshot', generation: 1, localSources: [], servicePorts: [port] })
  t.strictSame([...wishes.all()], ['10.96.0.1'])
})

void test('the plan: what to add and what is left over', async t => {
  const sources = sourcesOf(['127.0.0.1', '192.0.2.1', '192.0.2.9', '::1', '2001:db8::1'])
  t.strictSame(sources, { IPv4: '192.0.2.1', IPv6: '2001:db8::1' })
  t.strictSame(sourcesOf(['::1']), { IPv4: null, IPv6: null })
  const there = new Map([
    ['10.96.0.1', '192.0.2.1'],
    ['10.96.0.2', '192.0.2.9'],
    ['fd00::1', null],
    ['fd00::2', '2001:db8::1'],
  ])
  const wanted = new Set(['10.96.0.1', '10.96.0.2', '10.96.0.3', 'fd00::1'])
  t.strictSame(
    toAdd(wanted, there, sources),
    [
      { ip: '10.96.0.2', source: '192.0.2.1' },
      { ip: '10.96.0.3', source: '192.0.2.1' },
      { ip: 'fd00::1', source: '2001:db8::1' },
    ],
    'missing, or with another source',
  )
  const any = { IPv4: null, IPv6: null }
  t.strictSame(toAdd(wanted, there, any), [{ ip: '10.96.0.3', source: null }], 'any source will do')
  t.strictSame(
    leftovers(there, ip => wanted.has(ip)),
    ['fd00::2'],
  )
})

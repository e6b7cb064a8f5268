import { test } from 'tap'
import { localAddresses, watchLocalAddresses } from '../../lib/control/local-addresses.ts'
import { canonicalIp } from '../../lib/model/address.ts'
import { ManualClock } from '../manual-clock.ts'

void test("this machine's addresses are canonical, sorted and without link-local IPv6", async t => {
  const ips = localAddresses()
  t.ok(ips.length > 0)
  t.strictSame(ips, ips.toSorted())
  for (const ip of ips) t.ok(canonicalIp(ip) === ip && !ip.startsWith('fe80:'), ip)
})

void test('a change is told once, a failed look is none, and nothing follows the end', async t => {
  const clock = new ManualClock()
  let ips: readonly string[] | null = ['10.0.0.1']
  const told: (readonly string[])[] = []
  const stop = watchLocalAddresses(
    clock,
    now => told.push(now),
    () => {
      if (ips === null) throw new Error('EMFILE')
      return ips
    },
  )
  await clock.advanceAndSettle(60_000)
  t.strictSame(told, [], 'no change')
  ips = ['10.0.0.1', '10.0.0.2']
  await clock.advanceAndSettle(60_000)
  t.strictSame(told, [['10.0.0.1', '10.0.0.2']])
  ips = null
  await clock.advanceAndSettle(60_000)
  t.equal(told.length, 1, 'out of descriptors: the last known ones stay')
  ips = []
  await clock.advanceAndSettle(60_000)
  t.strictSame(told.at(-1), [])
  stop()
  stop()
  t.equal(clock.pending, 0)
})

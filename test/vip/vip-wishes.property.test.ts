import * as fc from 'fast-check'
import { test } from 'tap'
import { VipWishes } from '../../lib/vip/vip-wishes.ts'
import { delta, snapshot } from './vip-test.ts'

const ips = fc.subarray(['10.96.0.1', '10.96.0.2', '10.96.0.3', 'fd00::1'])
const names = fc.constantFrom('a', 'b', 'c')

const step = fc.oneof(
  fc.record({ what: fc.constant('snapshot' as const), user: fc.nat(1), ports: fc.dictionary(names, ips) }),
  fc.record({
    what: fc.constant('delta' as const),
    user: fc.nat(1),
    ports: fc.dictionary(names, fc.option(ips)),
  }),
  fc.record({ what: fc.constant('applied' as const), user: fc.nat(1) }),
  fc.record({ what: fc.constant('leave' as const), user: fc.nat(1) }),
)

void test('after whatever updates, what is wanted is the union of the tables', async t => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const told = new Set<string>()
      const wishes = new VipWishes({ wanted: ip => told.add(ip), unwanted: ip => told.delete(ip) })
      const users = [wishes.user(), wishes.user()]
      const tables = [new Map<string, readonly string[]>(), new Map<string, readonly string[]>()]
      for (const each of steps) {
        const [user, table] = [users[each.user], tables[each.user]]
        if (user === undefined || table === undefined) throw new Error('there are two of each')
        if (each.what === 'applied') {
          user.applied()
          continue
        }
        if (each.what === 'leave') {
          user.leave()
          table.clear()
          continue
        }
        if (each.what === 'snapshot') {
          user.want(snapshot(each.ports))
          table.clear()
        } else {
          user.want(delta(each.ports))
        }
        for (const [name, vips] of Object.entries<readonly string[] | null>(each.ports)) {
          if (vips === null) table.delete(name)
          else table.set(name, vips)
        }
        const missing = [...table.values()].flat().filter(ip => !wishes.has(ip))
        if (missing.length > 0) return false
      }
      for (const user of users) user.applied()
      const expected = new Set(tables.flatMap(table => [...table.values()].flat()))
      const exactly = [...expected].sort().join()
      return [...wishes.all()].sort().join() === exactly && [...told].sort().join() === exactly
    }),
    { numRuns: 500 },
  )
  t.pass('500 runs')
})

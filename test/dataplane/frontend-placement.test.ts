import t from 'tap'
import { isOwn } from '../../lib/dataplane/frontend-placement.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { tcpService, udpService } from './table.ts'

const members = [0, 1, 2, 3]
const settings = { ...defaultProxySettings, maxConnections: 10 }

function owners(
  port: Parameters<typeof isOwn>[1],
  key: string,
  all: readonly number[] = members,
): readonly number[] {
  return all.filter(own => isOwn({ own, all }, port, key))
}

void t.test('a TCP frontend without a limit is everyone’s', async t => {
  t.strictSame(owners(tcpService('10.0.0.1:80', []), 'TCP/10.0.0.1:80'), members)
})

void t.test('a UDP frontend has one owner; many are spread evenly', async t => {
  const counts = new Map<number, number>()
  for (let index = 0; index < 4000; index++) {
    const address = `10.0.${index >> 8}.${index & 255}:53`
    const [owner = -1, ...others] = owners(udpService(address, []), `UDP/${address}`)
    t.equal(others.length, 0)
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  for (const member of members) {
    const count = counts.get(member) ?? 0
    t.ok(count > 900 && count < 1100, `${member}: ${count}`)
  }
})

void t.test('all frontends of a Service with a connection limit have the same owner', async t => {
  const used = new Set<string>()
  for (let index = 0; index < 50; index++) {
    const overrides = { name: `web-${index}`, settings }
    const ports = [80, 443].map(port => tcpService(`10.0.0.1:${port}`, [], overrides))
    const all = ports.map((port, at) => owners(port, `TCP/10.0.0.1:${at}`).join())
    t.equal(new Set(all).size, 1)
    t.equal(all[0]?.length, 1)
    used.add(all[0] ?? '')
  }
  t.equal(used.size, members.length)
})

void t.test(
  'a member that goes gives its frontends to others and moves no other; order does not matter',
  async t => {
    for (let index = 0; index < 200; index++) {
      const address = `10.0.0.${index}:53`
      const [port, key] = [udpService(address, []), `UDP/${address}`]
      const [before] = owners(port, key)
      const [after] = owners(port, key, [3, 1, 0])
      if (before !== 2) t.equal(after, before)
      t.equal(owners(port, key, [3, 1, 0]).length, 1)
    }
  },
)

void t.test('one who takes no part has no frontend that belongs to one', async t => {
  t.equal(isOwn({ own: 7, all: members }, udpService('10.0.0.1:53', []), 'UDP/10.0.0.1:53'), false)
})

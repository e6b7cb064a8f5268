// VIPs in a namespace of their own: made, found again as a crash has left them, mended, and removed without a trace; what
// isn't ours is left alone.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { asSocket } from '../../lib/dataplane/engines/net/conn.ts'
import { createNetEngine } from '../../lib/dataplane/engines/net/net-engine.ts'
import { formatAddress } from '../../lib/model/address.ts'
import type { PlacedVip, VipPlace } from '../../lib/vip/vip-place.ts'
import { outcome } from '../dataplane/tcp.ts'
import { until } from '../dataplane/until.ts'
import { missingForOwnNetwork } from '../own-network.ts'
import { connectFrom, openNodeNetwork, run, testPlace, traces, vipNamespaceName } from './node-network.ts'

t.setTimeout(300_000)

const node = { IPv4: '192.168.77.1', IPv6: 'fd77::1' }

const four: PlacedVip = { ip: '10.96.0.1', source: node.IPv4 }
const six: PlacedVip = { ip: 'fd96::1', source: node.IPv6 }
const both = [four, six]

async function open(t: Test, vips: readonly PlacedVip[] = both): Promise<VipPlace> {
  const place = testPlace(t)
  await place.open()
  t.strictSame(await place.add(vips), new Map())
  return place
}

function sorted(vips: readonly PlacedVip[]): readonly string[] {
  return vips.map(({ ip, source }) => `${ip} ${source}`).sort()
}

/** Whether a client of the node gets an answer from a listener inside. */
async function answers(t: Test, place: VipPlace, ip: string): Promise<boolean> {
  const engine = createNetEngine({ vipNamespace: place.namespace })
  const listener = await engine.listenTcp(
    { ip, port: 7000, vip: true },
    client => void asSocket(client).resume().end('hello'),
    () => {},
  )
  const client = connectFrom(t, { name: 'node', namespace: null, ip: node }, formatAddress(ip, 7000))
  const { text } = await outcome(client)
  listener.close()
  client.destroy()
  return text === 'hello'
}

const inside = (command: string): string => run(`ip -n ${vipNamespaceName} ${command}`)

void t.test('VIPs in a namespace', { skip: missingForOwnNetwork() ?? false }, async t => {
  openNodeNetwork(t)

  void t.test('made and removed, twice each', async t => {
    const place = testPlace(t)
    t.strictSame(await place.list(), [])
    await place.remove([four.ip, six.ip])
    await place.clear()
    t.strictSame(traces(), [], 'nothing before it is opened')
    await place.open()
    await place.open()
    t.strictSame(await place.add(both), new Map())
    t.strictSame(await place.add(both), new Map())
    t.strictSame(sorted(await place.list()), sorted(both))
    t.ok(await answers(t, place, four.ip))
    t.ok(await answers(t, place, six.ip))
    t.match(run('ip -4 address'), /^(?:(?!krelay0)[^])*$/, 'no address that would pass for the node’s')
    await place.remove([four.ip])
    await place.remove([four.ip, '10.96.9.9', 'fd96::9'])
    t.strictSame(await place.list(), [six])
    t.notMatch(inside('route show table local'), four.ip)
    await place.clear()
    await place.clear()
    t.strictSame(traces(), [])
  })

  void t.test('settings of the namespace', async t => {
    writeFileSync('/proc/sys/net/core/somaxconn', '1234')
    t.teardown(() => writeFileSync('/proc/sys/net/core/somaxconn', '4096'))
    run('ip link set pod mtu 1400')
    t.teardown(() => run('ip link set pod mtu 1500'))
    const place = await open(t)
    const settings = run(
      `ip netns exec ${vipNamespaceName} cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/tcp_migrate_req`,
    )
    t.equal(settings, '1234\n1\n')
    t.match(run('ip link show krelay0'), /mtu 1400/)
    t.match(inside('link show eth0'), /mtu 1400/)
    run('ip link set pod mtu 1500')
    await place.open()
    t.match(run('ip link show krelay0'), /mtu 1500/)
  })

  void t.test('another source', async t => {
    const place = await open(t)
    run('ip address add 192.168.77.2/32 dev lo')
    t.teardown(() => run('ip address del 192.168.77.2/32 dev lo'))
    const moved = { ip: four.ip, source: '192.168.77.2' }
    t.strictSame(await place.add([moved, six]), new Map())
    t.strictSame(sorted(await place.list()), sorted([moved, six]))
    const unknown = { ip: '10.96.0.2', source: '192.168.77.99' }
    t.strictSame(await place.add([unknown]), new Map())
    t.strictSame(
      (await place.list()).find(({ ip }) => ip === unknown.ip),
      { ip: unknown.ip, source: null },
      'one that the node doesn’t have',
    )
  })

  void t.test('found again by another agent, with whoever listens there', async t => {
    const first = await open(t)
    const { ino } = statSync(first.namespace as string)
    const listener = await createNetEngine({ vipNamespace: first.namespace }).listenTcp(
      { ip: four.ip, port: 7001, vip: true },
      () => {},
      () => {},
    )
    t.teardown(() => listener.close())
    const next = testPlace(t)
    t.strictSame(sorted(await next.list()), sorted(both), 'before it is opened, too')
    await next.open()
    t.equal(statSync(first.namespace as string).ino, ino)
    t.strictSame(sorted(await next.list()), sorted(both))
    const client = connectFrom(t, { name: 'node', namespace: null, ip: node }, `${four.ip}:7001`)
    await once(client, 'connect')
    t.strictSame(await next.inUse(), new Set([four.ip]))
  })

  const damages: Readonly<Record<string, () => void>> = {
    'the pair is deleted': () => run('ip link del krelay0'),
    'the pair is deleted from the inside': () => inside('link del eth0'),
    'the node’s end is down': () => run('ip link set krelay0 down'),
    'the other end is down': () => inside('link set eth0 down'),
    'loopback inside is down': () => inside('link set lo down'),
    'the default routes inside are gone': () => {
      inside('-4 route del default')
      inside('-6 route del default')
    },
    'the neighbours are gone': () => {
      run('ip neigh flush dev krelay0 nud permanent')
      inside('neigh flush dev eth0 nud permanent')
    },
    'the node’s routes are flushed': () => {
      run('ip -4 route flush proto 143')
      run('ip -6 route flush proto 143')
    },
    'what is local inside is flushed': () => {
      inside('-4 route flush table local proto 143')
      inside('-6 address flush dev lo scope global')
    },
    'the name is deleted': () => run(`ip netns del ${vipNamespaceName}`),
    'the name is deleted, and another namespace gets it': () => {
      run(`ip netns del ${vipNamespaceName}`)
      run(`ip netns add ${vipNamespaceName}`)
    },
    'all is deleted': () => {
      run('ip link del krelay0')
      run(`ip netns del ${vipNamespaceName}`)
    },
  }
  for (const [name, damage] of Object.entries(damages)) {
    void t.test(`mended: ${name}`, async t => {
      const place = await open(t)
      t.ok(await answers(t, place, four.ip))
      damage()
      await place.open()
      const there = (await place.list()).map(({ ip }) => ip)
      t.strictSame(await place.add(both.filter(({ ip }) => !there.includes(ip))), new Map())
      t.strictSame(sorted(await place.list()), sorted(both))
      for (const { ip } of both) t.ok(await answers(t, place, ip), ip)
      await place.clear()
      t.strictSame(traces(), [])
    })
  }

  void t.test('its name is deleted while a process has it open: it is the same one again', async t => {
    const place = await open(t)
    const path = place.namespace as string
    const held = openSync(path, 'r')
    t.teardown(() => closeSync(held))
    const { ino } = statSync(path)
    run(`ip netns del ${vipNamespaceName}`)
    await place.open()
    t.equal(statSync(path).ino, ino)
    t.strictSame(sorted(await place.list()), sorted(both))
  })

  void t.test('only one half of a VIP is there: it counts as missing, and goes', async t => {
    const place = await open(t)
    run(`ip route del ${four.ip}/32`)
    inside(`address del ${six.ip}/128 dev lo`)
    t.strictSame(await place.list(), [])
    await place.open()
    t.notMatch(run('ip -6 route'), six.ip)
    t.match(inside('route show table local'), four.ip, 'another agent may be about to add the other half')
    await place.open()
    t.notMatch(inside('route show table local'), four.ip)
    t.strictSame(await place.add(both), new Map())
    t.strictSame(sorted(await place.list()), sorted(both))
  })

  void t.test('what isn’t ours stays: an interface', async t => {
    run('ip link add krelay0 type veth peer name theirs')
    t.teardown(() => run('ip link del krelay0'))
    const place = testPlace(t)
    await t.rejects(place.open(), { code: 'VIP', message: /interface krelay0 isn't kube-relay's.*rename/ })
    await place.clear()
    t.match(run('ip link show krelay0'), /krelay0@theirs/)
  })

  void t.test('what isn’t ours stays: a namespace', async t => {
    run(`ip netns add ${vipNamespaceName}`)
    inside('link set lo up')
    const place = testPlace(t)
    await t.rejects(place.open(), { code: 'VIP', message: /namespace kr-\d+ isn't kube-relay's.*rename/ })
    await place.clear()
    t.match(inside('link show lo'), /UP/)
    run(`ip netns del ${vipNamespaceName}`)
  })

  void t.test('what isn’t ours stays: routes', async t => {
    const place = await open(t)
    const theirs = [
      '-4 route add 10.96.1.1/32 dev lo',
      '-6 route add fd96::1:1/128 dev lo',
      '-4 route add 10.96.1.3/32 dev pod proto 143',
      '-4 route add local 10.96.1.2/32 dev lo',
      '-4 route add local 10.99.0.0/16 dev lo',
    ]
    for (const each of theirs) run(`ip ${each}`)
    t.teardown(() => {
      for (const each of theirs) run(`ip ${each.replace(' add ', ' del ')}`)
    })
    const ips = ['10.96.1.1', 'fd96::1:1', '10.96.1.3', '10.96.1.2', '10.99.3.4', '10.96.1.9']
    const failures = await place.add(ips.map(ip => ({ ip, source: null })))
    const route = "there is a route to it that isn't kube-relay's, which is left as it is"
    t.strictSame(Object.fromEntries(failures), {
      '10.96.1.1': route,
      'fd96::1:1': route,
      '10.96.1.3': route,
      '10.96.1.2': 'it is local to the node already (10.96.1.2/32)',
      '10.99.3.4': 'it is local to the node already (10.99.0.0/16)',
    })
    t.strictSame(sorted(await place.list()), sorted([...both, { ip: '10.96.1.9', source: null }]))
    await place.remove(ips)
    await place.clear()
    const kept = run('ip -4 route show table all') + run('ip -6 route')
    for (const dst of ['10.96.1.1', '10.96.1.2', '10.96.1.3', '10.99.0.0/16', 'fd96::1:1']) {
      t.match(kept, `${dst} dev`)
    }
  })

  void t.test('a node without IPv6', async t => {
    writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1')
    t.teardown(() => writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '0'))
    const place = testPlace(t)
    await place.open()
    t.strictSame(await place.add(both), new Map([[six.ip, 'krelay0 has no IPv6']]))
    t.strictSame(await place.list(), [four])
    t.ok(await answers(t, place, four.ip))
    writeFileSync('/proc/sys/net/ipv6/conf/krelay0/disable_ipv6', '0')
    await place.open()
    t.strictSame(await place.add([six]), new Map(), 'it has been switched on')
    t.ok(await answers(t, place, six.ip))
  })

  void t.test('killed in the middle: everything is found, mended and removed', async t => {
    for (let round = 0; round < 4; round++) {
      const place = testPlace(t)
      const child = startAdding(t)
      await until(() => traces().length > 1 + round * 200, 'routes to appear', 10)
      child.kill('SIGKILL')
      await once(child, 'close')
      // Its `ip` may be at work still.
      await until(() => !isAdding(child), 'the last command to end', 10)
      await place.open()
      const left = await place.list()
      t.strictSame(await place.add(both), new Map())
      t.equal((await place.list()).length, left.length + both.length)
      await place.remove(left.map(({ ip }) => ip))
      t.strictSame(sorted(await place.list()), sorted(both))
      await place.clear()
      t.strictSame(traces(), [])
    }
  })

  void t.test('2,000 of each family', async t => {
    const many = Array.from({ length: 2000 }, (_, n) => [
      { ip: `10.97.${n >> 8}.${n & 255}`, source: node.IPv4 },
      { ip: `fd97::${(n + 1).toString(16)}`, source: node.IPv6 },
    ]).flat()
    const place = await open(t, many)
    t.strictSame(sorted(await place.list()), sorted(many))
    t.ok(await answers(t, place, '10.97.7.207'))
    t.ok(await answers(t, place, 'fd97::7d0'))
    await place.open()
    t.equal((await place.list()).length, 4000)
    await place.remove(many.map(({ ip }) => ip))
    t.strictSame(await place.list(), [])
    t.equal(inside('-6 address show dev lo scope global'), '')
    await place.clear()
    t.strictSame(traces(), [])
  })
})

/** An agent that adds VIPs until it is killed, in a process group of its own. */
function startAdding(t: Test): ChildProcess {
  const main = fileURLToPath(new URL('./adding-process.ts', import.meta.url))
  const env = { ...process.env, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, [main, vipNamespaceName], { env, stdio: 'ignore', detached: true })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Whether the last command that the agent has started is at work still. */
function isAdding(child: ChildProcess): boolean {
  try {
    return process.kill(-(child.pid ?? 0), 0)
  } catch {
    return false
  }
}

// VIPs in a namespace of their own: made, found again as a crash has left them, mended, and removed without a trace; what
// isn't ours is left alone.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
      run('ip -4 route flush table local proto 143')
      run('ip -6 route flush table local proto 143')
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

  void t.test('its name is deleted while others have namespaces open: none of those ever has it', async t => {
    const place = await open(t)
    const path = place.namespace as string
    const other = `${vipNamespaceName}-other`
    run(`ip netns add ${other}`)
    const theirs = openSync(`/run/netns/${other}`, 'r')
    const held = openSync(path, 'r')
    t.teardown(() => {
      closeSync(theirs)
      closeSync(held)
      run(`ip netns del ${other}`)
    })
    const { ino } = statSync(path)
    const tell = `if [ -e ${path} ]; then stat -Lc %i ${path}; else echo nothing; fi`
    const seen = beforeEachIp(t, tell)
    run(`ip netns del ${vipNamespaceName}`)
    writeFileSync(`${path}.trial`, '', { flag: 'wx' })
    await place.open()
    t.equal(statSync(path).ino, ino)
    t.strictSame(new Set(seen()), new Set(['nothing', String(ino)]))
    t.notOk(existsSync(`${path}.trial`), 'nor does what somebody has left who was killed in the middle')
    t.ok(existsSync(`/run/netns/${other}`))
    run(`ip netns add ${vipNamespaceName}.trial`)
    await place.clear()
    t.notOk(existsSync(`${path}.trial`))
  })

  void t.test('only one half of a VIP is there: it counts as missing, and goes', async t => {
    const place = await open(t)
    run(`ip route del ${four.ip}/32 table local`)
    inside(`address del ${six.ip}/128 dev lo`)
    t.strictSame(await place.list(), [])
    await place.open()
    t.notMatch(run('ip -6 route show table all'), six.ip)
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
      '-4 route add 10.96.1.4/32 dev lo metric 100',
      '-6 route add fd96::1:4/128 dev lo metric 100',
      '-4 route add 10.96.1.5/32 dev pod table 77',
    ]
    for (const each of theirs) run(`ip ${each}`)
    t.teardown(() => {
      for (const each of theirs) run(`ip ${each.replace(' add ', ' del ')}`)
    })
    const exact = ['10.96.1.1', 'fd96::1:1', '10.96.1.3', '10.96.1.4', 'fd96::1:4', '10.96.1.5']
    const ips = [...exact, '10.96.1.2', '10.99.3.4', '10.96.1.9']
    const failures = await place.add(ips.map(ip => ({ ip, source: null })))
    const route = (details: string): string =>
      `there is a route to it that isn't kube-relay's (${details}), which is left as it is`
    t.strictSame(Object.fromEntries(failures), {
      '10.96.1.1': route('table main, dev lo'),
      'fd96::1:1': route('table main, dev lo'),
      '10.96.1.3': route('table main, dev pod'),
      '10.96.1.4': route('table main, dev lo'),
      'fd96::1:4': route('table main, dev lo'),
      '10.96.1.5': route('table 77, dev pod'),
      '10.96.1.2': "already local by a route or address that isn't kube-relay's, which is left as it is",
      '10.99.3.4':
        "already local by the route to 10.99.0.0/16 that isn't kube-relay's, which is left as it is",
    })
    for (const ip of failures.keys()) {
      const alone = await place.add([{ ip, source: null }])
      t.equal(alone.get(ip), failures.get(ip), `${ip} alone`)
    }
    t.strictSame(sorted(await place.list()), sorted([...both, { ip: '10.96.1.9', source: null }]))
    await place.remove(ips)
    await place.clear()
    const kept = run('ip -4 route show table all') + run('ip -6 route')
    for (const dst of [...exact, '10.96.1.2', '10.99.0.0/16']) {
      t.match(kept, `${dst} dev`)
    }
  })

  void t.test('policy routing: a pod’s packets go there, whatever table its rule names', async t => {
    const place = await open(t)
    const before = ['pref 99 from 10.244.0.2 lookup 2', 'pref 99 from fd00:244::2 lookup 2']
    const familyAnd = (line: string): string => `${line.includes(':') ? '-6' : '-4'} rule`
    for (const each of before) run(`ip ${familyAnd(each)} add ${each}`)
    run('ip -4 route add default dev remote table 2')
    run('ip -6 route add default dev remote table 2')
    t.teardown(() => {
      for (const each of before) run(`ip ${familyAnd(each)} del ${each}`)
      run('ip -4 route flush table 2')
      run('ip -6 route flush table 2')
    })
    t.match(run(`ip route get ${four.ip} from 10.244.0.2 iif pod`), /dev krelay0/)
    t.match(run(`ip route get ${six.ip} from fd00:244::2 iif pod`), /dev krelay0/)
    const later = { ip: '10.96.0.2', source: node.IPv4 }
    t.strictSame(await place.add([later]), new Map())
    t.match(run(`ip route get ${later.ip} from 10.244.0.2 iif pod`), /dev krelay0/)
  })

  void t.test('the address goes that is the routes’ source: VIPs stay', async t => {
    run('ip address add 192.168.77.3/32 dev lo')
    run('ip address add fd77::3/128 dev lo nodad')
    await open(t, [
      { ip: four.ip, source: '192.168.77.3' },
      { ip: six.ip, source: 'fd77::3' },
    ])
    run('ip address del 192.168.77.3/32 dev lo')
    run('ip address del fd77::3/128 dev lo')
    for (const { ip } of both) t.match(run(`ip route get ${ip}`), /dev krelay0/, ip)
  })

  void t.test('routes that an earlier version has left in the table main', async t => {
    const inMain = (): string => run('ip -4 route show proto 143') + run('ip -6 route show proto 143')
    const toMain = (): void => {
      run(`ip route del ${four.ip}/32 table local`)
      run(`ip route del ${six.ip}/128 table local`)
      run(`ip route add ${four.ip}/32 via 169.254.119.2 dev krelay0 onlink proto 143 src ${node.IPv4}`)
      run(`ip route add ${six.ip}/128 via fe80::6b72:656c:2 dev krelay0 onlink proto 143 src ${node.IPv6}`)
    }
    const place = await open(t)
    toMain()
    t.strictSame(sorted(await place.list()), sorted(both), 'before it is opened')
    await place.open()
    t.equal(inMain(), '', 'moved by a look')
    t.strictSame(sorted(await place.list()), sorted(both))
    t.ok(await answers(t, place, four.ip))
    toMain()
    await place.remove([four.ip])
    t.strictSame(await place.list(), [six])
    t.notMatch(inMain(), four.ip)
    run(`ip route add ${four.ip}/32 dev pod proto 143`)
    t.teardown(() => run(`ip route del ${four.ip}/32 dev pod`))
    await place.clear()
    t.match(inMain(), new RegExp(`^${four.ip} dev pod [^\\n]*\\n$`), 'theirs, and nothing else')
  })

  void t.test('packets to what isn’t local inside end there', async t => {
    const place = await open(t)
    const forwarding = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'].map(
      each => `/proc/sys/${each}`,
    )
    const script = `echo 1 > ${forwarding[0]}; echo 1 > ${forwarding[1]}`
    execFileSync('ip', ['netns', 'exec', vipNamespaceName, 'sh', '-c', script])
    await testPlace(t).open()
    t.equal(run(`ip netns exec ${vipNamespaceName} cat ${forwarding.join(' ')}`), '0\n0\n')
    t.ok(await answers(t, place, four.ip))
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

/** Puts a shell script before each run of `ip` from here on, which is itself as ever; returns what the script has written. */
function beforeEachIp(t: Test, script: string): () => readonly string[] {
  const folder = t.testdir({})
  const before = process.env['PATH'] ?? ''
  const real = execFileSync('sh', ['-c', 'command -v ip'], { encoding: 'utf8' }).trim()
  const log = join(folder, 'log')
  writeFileSync(join(folder, 'ip'), `#!/bin/sh\n{ ${script}; } >> ${log}\nexec ${real} "$@"\n`, {
    mode: 0o755,
  })
  process.env['PATH'] = `${folder}:${before}`
  t.teardown(() => (process.env['PATH'] = before))
  return () => readFileSync(log, 'utf8').trim().split('\n')
}

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

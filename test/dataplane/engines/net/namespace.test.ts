// Listeners in another network namespace, by the engine itself: who reaches them, whom they see, and that the process
// always comes back to its own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { asSocket } from '../../../../lib/dataplane/engines/net/conn.ts'
import { inNamespace, namespaceNumber } from '../../../../lib/dataplane/engines/net/namespace.ts'
import { createNetEngine } from '../../../../lib/dataplane/engines/net/net-engine.ts'
import { formatAddress } from '../../../../lib/model/address.ts'
import { missingForOwnNetwork } from '../../../own-network.ts'
import {
  connectFrom,
  openNodeNetwork,
  placeVips,
  run,
  testPlace,
  udpFrom,
  udpRefusal,
} from '../../../vip/node-network.ts'
import { outcome } from '../../tcp.ts'

const skip = missingForOwnNetwork()
const vips = { IPv4: '10.96.0.10', IPv6: 'fd96::10' } as const

function here(): string {
  return readlinkSync('/proc/thread-self/ns/net')
}

void t.test('network namespaces', { skip: skip ?? false }, async t => {
  const sites = openNodeNetwork(t)
  const place = testPlace(t)
  const namespace = place.namespace as string
  const engine = createNetEngine({ vipNamespace: namespace })

  void t.test('before there is any', async t => {
    const at = { ip: vips.IPv4, port: 80, vip: true } as const
    const reason = { code: 'VIP', message: /^cannot enter the network namespace .*kr-\d+: ENOENT/ }
    await t.rejects(
      engine.listenTcp(
        at,
        () => {},
        () => {},
      ),
      reason,
    )
    await t.rejects(
      engine.bindUdp(
        at,
        () => {},
        () => {},
      ),
      reason,
    )
    t.throws(
      () =>
        engine.connectUdp(
          at,
          { ip: '10.0.0.1', port: 1 },
          () => {},
          () => {},
        ),
      reason,
    )
    t.equal(engine.vipNetwork(), null)
    const file = `${t.testdir({ plain: '' })}/plain`
    t.throws(() => inNamespace(file, () => {}), { code: 'VIP', message: /no network namespace is mounted/ })
  })

  void t.test('work is done there, and we are back', async t => {
    await placeVips(place, ...Object.values(vips))
    const home = here()
    t.not(inNamespace(namespace, here), home)
    t.equal(here(), home)
    t.throws(
      () =>
        inNamespace(namespace, () => {
          throw new Error('in the middle of it')
        }),
      { message: 'in the middle of it' },
    )
    t.equal(here(), home)
    t.equal(inNamespace(null, here), home)
    const inside = inNamespace(namespace, () => readdirSync('/proc/thread-self/net').length > 0)
    t.ok(inside)
  })

  for (const family of ['IPv4', 'IPv6'] as const) {
    void t.test(`${family}: everyone reaches TCP and UDP listeners, and is seen as who it is`, async t => {
      const at = { ip: vips[family], port: 80, vip: true } as const
      const peers: string[] = []
      const tcp = await engine.listenTcp(
        at,
        (client, peer) => {
          peers.push(peer.ip)
          asSocket(client).resume().end(formatAddress(peer.ip, peer.port))
        },
        error => t.fail(error.message),
      )
      const udp = await engine.bindUdp(
        at,
        (_data, ip, port) => udp.send(Buffer.from(formatAddress(ip, port)), ip, port),
        error => t.fail(error.message),
      )
      t.teardown(() => (tcp.close(), udp.close()))
      t.strictSame(
        [tcp.address, udp.address],
        [
          { ip: at.ip, port: 80 },
          { ip: at.ip, port: 80 },
        ],
      )
      for (const site of sites) {
        const address = formatAddress(at.ip, at.port)
        const client = connectFrom(t, site, address)
        t.strictSame(
          await outcome(client),
          { text: formatAddress(site.ip[family], client.localPort as number), end: 'end' },
          `TCP from the ${site.name}`,
        )
        client.end()
        const asker = udpFrom(t, site, address)
        const answer = once(asker, 'message')
        asker.send('who am I?')
        const [text, from] = (await answer) as [Buffer, { address: string }]
        t.equal(
          String(text),
          formatAddress(site.ip[family], asker.address().port),
          `UDP from the ${site.name}`,
        )
        t.equal(from.address, at.ip)
      }
    })

    void t.test(`${family}: an address without a listener refuses`, async t => {
      const address = formatAddress(vips[family], 81)
      for (const site of sites) {
        t.equal(
          (await outcome(connectFrom(t, site, address))).end,
          'ECONNREFUSED',
          `TCP from the ${site.name}`,
        )
        t.equal(await udpRefusal(udpFrom(t, site, address)), 'ECONNREFUSED', `UDP from the ${site.name}`)
      }
    })

    void t.test(`${family}: a wildcard daemon of the node on the same port`, async t => {
      const wildcard = family === 'IPv4' ? '0.0.0.0' : '::'
      const daemon = net.createServer(socket => void socket.end('the daemon'))
      daemon.listen({ host: wildcard, port: 22, ipv6Only: true })
      await once(daemon, 'listening')
      t.teardown(() => daemon.close())
      const address = formatAddress(vips[family], 22)
      for (const site of sites) {
        t.equal(
          (await outcome(connectFrom(t, site, address))).end,
          'ECONNREFUSED',
          'it has nothing of the VIP',
        )
      }
      const listener = await engine.listenTcp(
        { ip: vips[family], port: 22, vip: true },
        client => void asSocket(client).resume().end('the Service'),
        () => {},
      )
      t.teardown(() => listener.close())
      for (const site of sites) {
        t.equal((await outcome(connectFrom(t, site, address))).text, 'the Service')
      }
      const own = formatAddress(sites[0]?.ip[family] ?? '', 22)
      t.equal((await outcome(connectFrom(t, sites[0] as never, own))).text, 'the daemon')
    })
  }

  void t.test('a listener that is paused keeps its connections', async t => {
    const at = { ip: vips.IPv4, port: 82, vip: true } as const
    let accepted = 0
    const listener = await engine.listenTcp(
      at,
      client => {
        accepted++
        asSocket(client).resume().end('hello')
      },
      () => {},
    )
    t.teardown(() => listener.close())
    for (let round = 1; round <= 3; round++) {
      t.equal(listener.pause(), 'held')
      const clients = sites.map(site => connectFrom(t, site, formatAddress(at.ip, at.port)))
      await Promise.all(clients.map(client => once(client, 'connect')))
      t.equal(accepted, sites.length * (round - 1))
      const answers = clients.map(client => outcome(client))
      listener.resume()
      t.ok((await Promise.all(answers)).every(({ text }) => text === 'hello'))
    }
    listener.close()
    const [node] = sites
    t.equal((await outcome(connectFrom(t, node as never, formatAddress(at.ip, 82)))).end, 'ECONNREFUSED')
  })

  void t.test('another namespace at the path is noticed; one that is gone is remembered', async t => {
    const first = namespaceNumber(namespace)
    t.equal(namespaceNumber(namespace), first)
    await place.clear()
    t.equal(namespaceNumber(namespace), first)
    const old = inNamespace(namespace, here)
    await placeVips(place, ...Object.values(vips))
    t.not(namespaceNumber(namespace), first)
    t.not(inNamespace(namespace, here), old)
    t.not(engine.vipNetwork(), null)
    const open = readdirSync('/proc/self/fd').filter(fd => {
      try {
        return statSync(`/proc/self/fd/${fd}`).ino === Number(/\d+/.exec(old)?.[0])
      } catch {
        return false
      }
    })
    t.strictSame(open, [], 'the old one is let go of')
    // The file stays where a namespace was mounted, for whoever unmounts it.
    const now = inNamespace(namespace, here)
    run(`umount --lazy ${namespace}`)
    t.equal(inNamespace(namespace, here), now)
    await place.open()
    t.equal(inNamespace(namespace, here), now)
    t.equal(statSync(namespace).ino, Number(/\d+/.exec(now)?.[0]), 'its name is given back')
  })
})

const firstProcess = ['unshare', '--pid', '--fork', '--mount-proc']

for (const [name, prefix, expected] of [
  ['no way back: the process is gone at once', [], { code: null, signal: 'SIGKILL' }],
  ['no way back, as the first process of a container', firstProcess, { code: 137, signal: null }],
] as const) {
  void t.test(name, { skip: skip ?? false }, async t => {
    const main = fileURLToPath(new URL('./no-way-back.ts', import.meta.url))
    const [program, ...args] = [...prefix, process.execPath, main]
    const child = spawn(program, args, {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', data => (output += String(data)))
    child.stderr.on('data', data => (output += String(data)))
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    t.strictSame({ code, signal }, expected)
    t.match(output, /^there: net:/)
    t.match(output, /kube-relay: cannot leave the network namespace .*: ending process \d+/)
    t.notMatch(output, /back|caught/)
  })
}

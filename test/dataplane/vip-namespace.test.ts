// A data plane whose VIPs are in a network namespace: served there as anywhere else, and followed when an address becomes
// a VIP or ceases to be one, or the namespace is made anew.

import type dgram from 'node:dgram'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createNetEngine } from '../../lib/dataplane/engines/net/net-engine.ts'
import { familyOf, formatAddress, parseAddress } from '../../lib/model/address.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { ManualClock } from '../manual-clock.ts'
import { missingForOwnNetwork } from '../own-network.ts'
import {
  connectFrom,
  openNodeNetwork,
  placeVips,
  run,
  testPlace,
  udpFrom,
  udpRefusal,
  type Site,
} from '../vip/node-network.ts'
import { TestPlane } from './plane.ts'
import { frontendAt, tcpService, udpService } from './table.ts'
import { outcome, startEcho, startNamed } from './tcp.ts'
import { startUdpServer } from './udp.ts'
import { until } from './until.ts'

const vips = { IPv4: '10.96.0.10:80', IPv6: '[fd96::10]:80' } as const

function vipTcp(address: string, endpoints: readonly string[], overrides: Partial<ServicePort> = {}) {
  return tcpService(address, endpoints, { frontends: [frontendAt(address, { vip: true })], ...overrides })
}

function vipUdp(address: string, endpoints: readonly string[]) {
  return udpService(address, endpoints, { frontends: [frontendAt(address, { vip: true })] })
}

async function askFrom(t: Test, site: Site, address: string, question: string): Promise<string> {
  const client = connectFrom(t, site, address)
  client.end(question)
  const { text, end } = await outcome(client)
  client.destroy()
  return end === 'end' ? text : end
}

async function askUdpFrom(t: Test, site: Site, address: string, question: string): Promise<string> {
  const client = udpFrom(t, site, address)
  const answer = once(client, 'message')
  client.send(question)
  return String((await answer)[0])
}

void t.test('a data plane with VIPs in a namespace', { skip: missingForOwnNetwork() ?? false }, async t => {
  const sites = openNodeNetwork(t)
  const [node, pod] = sites as [Site, Site]
  const place = testPlace(t)
  const engine = createNetEngine({ vipNamespace: place.namespace })
  const placed = Object.values(vips).map(address => parseAddress(address).ip)

  void t.test('the namespace isn’t there yet: told, and tried again', async t => {
    const clock = new ManualClock()
    const plane = new TestPlane(t, { engine, clock })
    const udp = await startUdpServer(t, data => data)
    await plane.serve(vipTcp(vips.IPv4, [await startEcho(t)]), vipUdp(vips.IPv4, [udp]))
    for (const name of ['web', 'dns']) {
      const reason = /^cannot enter the network namespace \/run\/netns\/kr-\d+: ENOENT/
      const frontends = [{ address: vips.IPv4, state: 'bind-failed', reason }]
      t.match(await plane.service(name), { frontends })
    }
    await placeVips(place, ...placed)
    await clock.advanceAndSettle(1000)
    for (const name of ['web', 'dns']) {
      t.strictSame((await plane.service(name)).frontends, [{ address: vips.IPv4, state: 'listening' }])
    }
    t.equal(await askFrom(t, pod, vips.IPv4, 'hello'), 'hello')
    t.equal(await askUdpFrom(t, pod, vips.IPv4, 'hello'), 'hello')
  })

  for (const [family, address] of Object.entries(vips)) {
    void t.test(`${family}: served to everyone, refused without endpoints`, async t => {
      const plane = new TestPlane(t, { engine })
      const endpoint = await startEcho(t)
      const udp = await startUdpServer(t, data => data)
      const { port } = parseAddress(address)
      const nodePort = formatAddress(node.ip[familyOf(parseAddress(address).ip)], port)
      await plane.serve(
        vipTcp(address, [endpoint], {
          frontends: [frontendAt(address, { vip: true }), frontendAt(nodePort)],
        }),
        vipUdp(address, [udp]),
      )
      for (const site of sites) {
        t.equal(await askFrom(t, site, address, site.name), site.name, `TCP from the ${site.name}`)
        t.equal(await askFrom(t, site, nodePort, site.name), site.name, 'at the node’s own address')
        t.equal(await askUdpFrom(t, site, address, site.name), site.name, `UDP from the ${site.name}`)
      }
      await plane.serve(vipTcp(address, []), vipUdp(address, []))
      for (const site of sites) {
        t.equal(await askFrom(t, site, address, site.name), 'ECONNREFUSED')
        t.equal(await udpRefusal(udpFrom(t, site, address)), 'ECONNREFUSED')
      }
      await plane.serve(vipTcp(address, [endpoint]), vipUdp(address, [udp]))
      for (const site of sites) {
        t.equal(await askFrom(t, site, address, site.name), site.name)
        t.equal(await askUdpFrom(t, site, address, site.name), site.name)
      }
    })
  }

  void t.test('an address that is a VIP, then the node’s own, then a VIP again', async t => {
    const plane = new TestPlane(t, { engine })
    const ip = '10.96.0.77'
    const address = `${ip}:80`
    t.teardown(() => place.remove([ip]))
    const echo = await startEcho(t)
    const udp = await startUdpServer(t, data => data)
    for (const vip of [true, false, true]) {
      if (vip) await placeVips(place, ip)
      else {
        await place.remove([ip])
        run(`ip address add ${ip}/32 dev lo`)
      }
      const ports = vip
        ? [vipTcp(address, [echo]), vipUdp(address, [udp])]
        : [tcpService(address, [echo]), udpService(address, [udp])]
      await plane.serve(...ports)
      for (const name of ['web', 'dns']) {
        t.strictSame((await plane.service(name)).frontends, [{ address, state: 'listening' }])
      }
      for (const site of sites) {
        t.equal(await askFrom(t, site, address, site.name), site.name, `TCP from the ${site.name}`)
        t.equal(await askUdpFrom(t, site, address, site.name), site.name, `UDP from the ${site.name}`)
      }
      if (!vip) run(`ip address del ${ip}/32 dev lo`)
    }
    t.equal((await plane.counters('web')).total, 3 * sites.length)
  })

  void t.test('the namespace is made anew: listeners follow', async t => {
    const clock = new ManualClock()
    const plane = new TestPlane(t, { engine, clock })
    const udp = await startUdpServer(t, data => data)
    await plane.serve(
      vipTcp(vips.IPv4, [await startEcho(t)]),
      vipUdp(vips.IPv4, [udp]),
      tcpService(`${node.ip.IPv4}:81`, [await startNamed(t, 'not a VIP')], { name: 'other' }),
    )
    t.equal(await askFrom(t, pod, vips.IPv4, 'before'), 'before')
    await place.clear()
    await placeVips(place, ...placed)
    t.equal(await askFrom(t, pod, vips.IPv4, 'early'), 'ECONNREFUSED')
    await clock.advanceAndSettle(1000)
    t.equal(await askFrom(t, pod, vips.IPv4, 'after'), 'after')
    t.equal(await askUdpFrom(t, pod, vips.IPv4, 'after'), 'after')
    t.equal(await askFrom(t, pod, `${node.ip.IPv4}:81`, ''), 'not a VIP')
  })

  void t.test('a limit of connections: the next one waits in the backlog', async t => {
    const plane = new TestPlane(t, { engine })
    const settings = { ...defaultProxySettings, maxConnections: 1 }
    await plane.serve(vipTcp(vips.IPv4, [await startEcho(t)], { settings }))
    const first = connectFrom(t, pod, vips.IPv4)
    first.write('1')
    t.equal(String((await once(first, 'data'))[0]), '1')
    const second = connectFrom(t, node, vips.IPv4)
    second.write('2')
    await once(second, 'connect')
    t.equal((await plane.counters()).total, 1)
    const answer = once(second, 'data')
    first.destroy()
    t.equal(String((await answer)[0]), '2')
    second.destroy()
    await plane.idle()
  })

  void t.test('UDP: a hand-over that loses nothing and moves nobody', async t => {
    const servers = ['a', 'b', 'c'].map(name => startUdpServer(t, data => `${name} ${String(data)}`))
    const port = vipUdp(vips.IPv4, await Promise.all(servers))
    const old = new TestPlane(t, { engine })
    await old.serve(port)
    const clients = Array.from({ length: 20 }, (_, n) =>
      udpFrom(t, sites[n % sites.length] as Site, vips.IPv4),
    )
    const load = startLoad(t, clients)
    await load.rounds(20)
    await old.plane.prepareHandOver()
    const next = new TestPlane(t, { engine })
    await next.serve(port)
    await load.rounds(20)
    void old.plane.drain(null)
    await load.rounds(40)
    t.strictSame(await load.verdict(), { lost: 0, moved: 0 })
    t.equal((await next.plane.status()).udpFlows, 0, 'nobody has moved')
    t.match(await askUdpFrom(t, pod, vips.IPv4, 'new'), /^[abc] new/)
    t.equal((await next.plane.status()).udpFlows, 1, 'a new client is the new one’s')
  })
})

/** Datagrams from all clients, again and again. */
function startLoad(t: Test, clients: readonly dgram.Socket[]) {
  const met = clients.map(() => new Set<string>())
  let sent = 0
  let answered = 0
  let rounds = 0
  clients.forEach((client, n) => {
    client.on('message', data => {
      answered++
      met[n]?.add(String(data).slice(0, 1))
    })
  })
  const timer = setInterval(() => {
    rounds++
    for (const client of clients) client.send(String(sent++))
  }, 5)
  t.teardown(() => clearInterval(timer))
  return {
    async rounds(count: number): Promise<void> {
      const last = rounds + count
      await until(() => rounds >= last, 'rounds of datagrams', 1)
    },
    async verdict() {
      clearInterval(timer)
      await until(() => answered >= sent, 'all answers', 5)
      return { lost: sent - answered, moved: met.filter(names => names.size > 1).length }
    },
  }
}

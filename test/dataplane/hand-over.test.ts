// Frontends that go from one process to another under load: no datagram is lost, no client meets another flow, and no
// connection is refused in between. Each data plane runs in a process of its own, as workers do.

import type dgram from 'node:dgram'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Engine } from '../../lib/dataplane/engine.ts'
import { isOwn } from '../../lib/dataplane/frontend-placement.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { LimitedPlane } from './limited-plane.ts'
import { snapshot, tcpService, udpService } from './table.ts'
import { ask, open, startEcho, startNamed } from './tcp.ts'
import { sendUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

const descriptors = 4096
const clientCount = 50

for (const engine of engines) {
  void t.test(`hand-over (${engine.name})`, async t => {
    void t.test('an announced one: UDP clients keep their flows, none loses a datagram', async t => {
      const { ports, load } = await underLoad(t)
      const old = await start(t, engine, ports)
      await load.rounds(5)
      await old.prepareHandOver()
      const next = await start(t, engine, ports)
      await load.rounds(5)
      void old.drain(null)
      await load.rounds(20)
      t.strictSame(await load.verdict(), { lost: 0, moved: 0, wrongSource: [] })
      t.equal((await next.status()).udpFlows, 0, 'nobody has moved')
      const { text } = await load.stranger()
      t.match(text, /^[abc] /)
      t.equal((await next.status()).udpFlows, 1, 'a new client is the new one’s')
    })

    void t.test('back and forth between members', async t => {
      const { ports, load } = await underLoad(t)
      const planes = [await start(t, engine, ports), await start(t, engine, ports, 1, [0])] as const
      await planes[0].setMembers(0, [0])
      const [port] = ports as [ServicePort]
      const key = `UDP/${load.frontend}`
      t.equal((await planes[1].status()).servicePorts[0]?.frontends[0]?.state, 'refusing', 'not its own')
      await load.rounds(5)
      for (const members of [[0, 1], [1], [0, 1], [0]]) {
        // Those that lose frontends first, those that gain them after.
        const order = isOwn({ own: 0, all: members }, port, key) ? [1, 0] : [0, 1]
        for (const own of order) await planes[own as 0 | 1].setMembers(own, members)
        await load.rounds(10)
        const [owner = 0, other = 1] = order.toReversed()
        await until(
          async () =>
            (await planes[other as 0 | 1].status()).servicePorts[0]?.frontends[0]?.state === 'refusing',
          'the other to leave it',
          50,
        )
        t.equal((await planes[owner as 0 | 1].status()).servicePorts[0]?.frontends[0]?.state, 'listening')
        await load.rounds(10)
      }
      t.strictSame(await load.verdict(), { lost: 0, moved: 0, wrongSource: [] })
      t.equal((await planes[1].status()).udpFlows, 0, 'all flows are where they began')
    })

    void t.test('one that nobody announced: streams stay, and nothing is lost', async t => {
      const { ports, load } = await underLoad(t)
      const old = await start(t, engine, ports)
      // Longer than it takes to be a stream.
      const since = Date.now()
      while (Date.now() - since < 4500) await load.rounds(1)
      const next = await start(t, engine, ports)
      await load.rounds(20)
      void old.drain(null)
      await load.rounds(20)
      t.strictSame(await load.verdict(), { lost: 0, moved: 0, wrongSource: [] })
      t.equal((await next.status()).udpFlows, 0)
    })

    void t.test('a Service with a connection limit: always open, at one of them', async t => {
      const frontend = freeAddress()
      const settings = { ...defaultProxySettings, maxConnections: 100 }
      const port = tcpService(frontend, [await startEcho(t)], { settings })
      const planes = [await start(t, engine, [port]), await start(t, engine, [port], 1, [0])] as const
      await planes[0].setMembers(0, [0])
      const client = open(t, frontend)
      client.write('1')
      await once(client, 'data')
      await planes[0].setMembers(0, [1])
      await planes[1].setMembers(1, [1])
      const states = async () =>
        Promise.all(planes.map(async plane => (await plane.status()).servicePorts[0]?.frontends[0]?.state))
      for (let asked = 0; (await states()).join() !== 'refusing,listening' || asked < 20; asked++) {
        t.strictSame(await ask(t, frontend, 'new'), { text: 'new', end: 'end' })
      }
      client.write('2')
      t.equal(String((await once(client, 'data'))[0]), '2', 'what is established stays where it is')
      client.destroy()
    })

    void t.test('round-robin over several: exact in each, so within their number in all', async t => {
      const frontend = freeAddress()
      const names = ['a', 'b', 'c', 'd', 'e']
      const port = tcpService(frontend, await Promise.all(names.map(name => startNamed(t, name))))
      const planes = await Promise.all([0, 1, 2].map(own => start(t, engine, [port], own, [0, 1, 2])))
      const counts = new Map(names.map(name => [name, 0]))
      for (let index = 0; index < 400; index++) {
        const { text } = await ask(t, frontend)
        counts.set(text, (counts.get(text) ?? 0) + 1)
        const sorted = [...counts.values()].sort((one, two) => one - two)
        const spread = (sorted.at(-1) ?? 0) - (sorted[0] ?? 0)
        if (spread > planes.length) t.fail(`after ${index + 1} connections: ${sorted.join(', ')}`)
      }
      const totals = await Promise.all(
        planes.map(async plane => (await plane.status()).servicePorts[0]?.connections.total ?? 0),
      )
      t.equal(
        totals.reduce((sum, total) => sum + total),
        400,
      )
      t.ok(
        totals.every(total => total > 0),
        `each had some: ${totals.join(', ')}`,
      )
    })
  })
}

async function start(
  t: Test,
  engine: Engine,
  ports: readonly ServicePort[],
  own?: number,
  members: readonly number[] = [],
): Promise<LimitedPlane> {
  const plane = new LimitedPlane(t, engine, descriptors)
  if (own !== undefined) await plane.setMembers(own, members)
  await plane.apply(snapshot(1, ...ports))
  return plane
}

/** UDP clients that ask three endpoints through one frontend, again and again. */
async function underLoad(t: Test) {
  const frontend = freeAddress()
  const servers = ['a', 'b', 'c'].map(name => startUdpServer(t, data => `${name} ${data.toString()}`))
  const ports = [udpService(frontend, await Promise.all(servers))]
  const clients = await Promise.all(Array.from({ length: clientCount }, () => udpClient(t)))
  const met = new Map<dgram.Socket, Set<string>>()
  const wrongSource = new Set<string>()
  let sent = 0
  let answered = 0
  for (const client of clients) {
    const names = new Set<string>()
    met.set(client, names)
    client.on('message', (data, from) => {
      answered++
      names.add(data.toString('latin1')[0] ?? '')
      if (`${from.address}:${from.port}` !== frontend) wrongSource.add(from.address)
    })
  }
  let stopped = false
  let rounds = 0
  const send = (): void => {
    if (stopped) return
    for (const client of clients.slice(rounds % 2 ? 0 : clientCount / 2).slice(0, clientCount / 2)) {
      sendUdp(client, frontend, String(sent++))
    }
    rounds++
    setTimeout(send, 5)
  }
  let started = false
  t.teardown(() => (stopped = true))
  const load = {
    frontend,
    /** Goes on sending, and resolves after so many more rounds. */
    async rounds(count: number): Promise<void> {
      if (!started) send()
      started = true
      const last = rounds + count
      await until(() => rounds >= last, 'rounds of datagrams', 1)
    },
    async stranger(): Promise<{ text: string }> {
      const client = await udpClient(t)
      const answer = once(client, 'message')
      sendUdp(client, frontend, 'new')
      return { text: String((await answer)[0]) }
    },
    /** Stops, and says what has become of every datagram. */
    async verdict() {
      stopped = true
      await until(() => answered >= sent, `${sent - answered} of ${sent} answers`, 5)
      return {
        lost: sent - answered,
        moved: [...met.values()].filter(names => names.size > 1).length,
        wrongSource: [...wrongSource],
      }
    },
  }
  return { ports, load }
}

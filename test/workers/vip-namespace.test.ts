// Workers that listen in the network namespace of the VIPs: handed over under load without a failure, replaced when one
// is killed, and no trouble to whoever removes the namespace after them.

import { once } from 'node:events'
import tap, { test, type Test } from 'tap'
import type { TableUpdate } from '../../lib/model/proxy-table.ts'
import { frontendAt, snapshot, tcpService, udpService } from '../dataplane/table.ts'
import { outcome, startEcho } from '../dataplane/tcp.ts'
import { startUdpServer } from '../dataplane/udp.ts'
import { until } from '../dataplane/until.ts'
import { missingForOwnNetwork } from '../own-network.ts'
import {
  connectFrom,
  openNodeNetwork,
  placeVips,
  testPlace,
  traces,
  udpFrom,
  type Site,
} from '../vip/node-network.ts'
import { workerOptions } from './pool-options.ts'
import { pids, startPool, untilReplaced } from './pool.ts'

tap.setTimeout(300_000)

const vips = ['10.96.0.10:80', '[fd96::10]:80'] as const

void test('workers in a namespace', { skip: missingForOwnNetwork() ?? false, timeout: 240_000 }, async t => {
  const sites = openNodeNetwork(t)
  const place = testPlace(t)
  await placeVips(place, '10.96.0.10', 'fd96::10')
  const defaults = workerOptions()
  const dataPlane = { ...defaults.dataPlane, vipNamespace: place.namespace }
  const options = { ...defaults, dataPlane }
  const table = await makeTable(t)
  const first = await startPool(t, { options })
  await first.apply(table)
  t.same(
    (await first.status()).servicePorts.flatMap(port => port.frontends.map(({ state }) => state)),
    Array(4).fill('listening'),
  )

  const load = startLoad(t, sites)
  await load.more(100)

  await first.prepareHandOver()
  const second = await startPool(t, { options })
  await second.apply(table)
  await load.more(100)
  const drained = first.drain(null)
  await load.more(300)
  t.strictSame(load.failures, [], `none of ${load.asked()} failed in a hand-over`)
  t.ok(load.asked() >= 500)
  await load.stop()
  t.strictSame(load.failures, [])
  void drained.catch(() => {})
  await first.close()

  const [victim = 0] = await pids(second)
  process.kill(victim, 'SIGKILL')
  await untilReplaced(second, 0, victim)
  for (const site of sites) {
    for (const address of vips) t.equal(await ask(t, site, address, site.name), site.name)
  }
  await place.clear()
  t.strictSame(traces(), [], 'removed under their feet')
  await placeVips(place, '10.96.0.10', 'fd96::10')
  await until(
    async () => (await ask(t, sites[1] as Site, vips[0], 'back')) === 'back',
    'the workers to follow into the new namespace',
    50,
  )
  await second.close()
  await place.clear()
  t.strictSame(traces(), [])
})

async function makeTable(t: Test): Promise<TableUpdate> {
  const tcp = await startEcho(t)
  const udp = await startUdpServer(t, data => data)
  return snapshot(
    1,
    ...vips.flatMap(address => {
      const frontends = [frontendAt(address, { vip: true })]
      return [tcpService(address, [tcp], { frontends }), udpService(address, [udp], { frontends })]
    }),
  )
}

async function ask(t: Test, site: Site, address: string, question: string): Promise<string> {
  const client = connectFrom(t, site, address)
  client.end(question)
  const { text, end } = await outcome(client)
  client.destroy()
  return end === 'end' ? text : end
}

/** New connections and datagrams of lasting clients, from everywhere to every VIP. */
function startLoad(t: Test, sites: readonly Site[]) {
  const failures: string[] = []
  let asked = 0
  const stop = new AbortController()
  const connections = sites.flatMap(site =>
    vips.map(async address => {
      while (!stop.signal.aborted) {
        const question = `${site.name} ${asked++}`
        const answer = await ask(t, site, address, question)
        if (answer !== question) failures.push(`TCP ${address} from the ${site.name}: ${answer}`)
      }
    }),
  )
  const datagrams = sites.flatMap(site =>
    vips.map(async address => {
      const client = udpFrom(t, site, address)
      client.on('error', error => failures.push(`UDP ${address} from the ${site.name}: ${error.message}`))
      while (!stop.signal.aborted) {
        const question = `${site.name} ${asked++}`
        const answer = once(client, 'message', { signal: AbortSignal.timeout(10_000) })
        client.send(question)
        const [data] = (await answer.catch(() => ['nothing'])) as [unknown]
        if (String(data) !== question) failures.push(`UDP ${address} from the ${site.name}: ${String(data)}`)
      }
    }),
  )
  return {
    failures,
    asked: () => asked,
    /** Resolves after so many more questions. */
    async more(count: number): Promise<void> {
      const last = asked + count
      await until(() => asked >= last, 'answers', 5)
    },
    async stop(): Promise<void> {
      stop.abort()
      await Promise.all([...connections, ...datagrams])
    },
  }
}

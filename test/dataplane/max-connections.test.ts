// The connection limit of a Service by traffic: those above it wait in the backlog, all are served in the end, and the
// endpoints never see more than the limit.

import { once } from 'node:events'
import type net from 'node:net'
import t, { type Test } from 'tap'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { servicePortKey, type ServicePort } from '../../lib/model/proxy-table.ts'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { LimitedPlane } from './limited-plane.ts'
import { TestPlane } from './plane.ts'
import { frontendAt, snapshot, tcpService } from './table.ts'
import { ask, connectOutcome, open, outcome, startServer } from './tcp.ts'
import { until } from './until.ts'

/** A service port of the Service "web" with this limit. */
function limited(
  frontend: string,
  endpoint: string,
  maxConnections: number | null,
  overrides: Partial<ServicePort> = {},
): ServicePort {
  return tcpService(frontend, [endpoint], {
    settings: { ...defaultProxySettings, maxConnections },
    ...overrides,
  })
}

/** An endpoint that greets each connection and keeps it; it knows how many it has and has had at most. */
async function startCounting(t: Test) {
  const sockets = new Set<net.Socket>()
  let most = 0
  const address = await startServer(t, socket => {
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.on('close', () => sockets.delete(socket))
    socket.write('x')
    socket.on('end', () => socket.end()).resume()
  })
  return { address, now: () => sockets.size, most: () => most }
}

/** Clients that have connected, and who of them has been greeted. */
async function connectAll(t: Test, frontend: string, count: number) {
  const greeted: net.Socket[] = []
  const all = Array.from({ length: count }, () => {
    const socket = open(t, frontend)
    socket.once('data', () => greeted.push(socket))
    return socket
  })
  await Promise.all(all.map(socket => once(socket, 'connect')))
  return { all, greeted }
}

/** Both directions ended, and closed. */
async function leave(socket: net.Socket | undefined): Promise<void> {
  if (socket === undefined) throw new Error('nobody is there to leave')
  socket.end()
  await once(socket, 'close')
}

for (const engine of engines) {
  void t.test(`connection limit (${engine.name})`, async t => {
    void t.test('further clients are connected and wait; one that leaves lets one in', async t => {
      const frontend = freeAddress()
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(limited(frontend, endpoint.address, 3))
      const { all, greeted } = await connectAll(t, frontend, 6)
      await until(() => greeted.length === 3, 'as many as the limit')
      for (let left = 1; left <= 3; left++) {
        t.equal(endpoint.now(), 3)
        t.match(await plane.counters(), { active: 3, total: 2 + left })
        await leave(greeted.shift())
        await until(() => greeted.length === 3, 'the next one')
      }
      t.equal(endpoint.most(), 3)
      for (const socket of all) socket.destroy()
      await plane.idle()
      t.match(await plane.counters(), { total: 6, failures: { 'max-connections': 0 } })
    })

    void t.test('200 clients through a limit of 5: nobody starves, never more than 5', async t => {
      const frontend = freeAddress()
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(limited(frontend, endpoint.address, 5))
      const served = await Promise.all(Array.from({ length: 200 }, () => ask(t, frontend)))
      t.ok(served.every(({ text, end }) => text === 'x' && end === 'end'))
      await plane.idle()
      t.ok(endpoint.most() <= 5, `${endpoint.most()} at a time`)
      t.match(await plane.counters(), { total: 200, active: 0, dialFailures: 0 })
    })

    void t.test('it holds over all ports and frontends of a Service, and for no other', async t => {
      const [http, nodePort, https, other] = [freeAddress(), freeAddress(), freeAddress(), freeAddress()]
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      const frontends = [frontendAt(http), frontendAt(nodePort, { kind: 'NodePort' })]
      await plane.serve(
        limited(http, endpoint.address, 2, { frontends }),
        limited(https, endpoint.address, 2, {
          key: servicePortKey('default', 'web', 'https', 'TCP', 'IPv4'),
          portName: 'https',
        }),
        limited(other, endpoint.address, 2, { name: 'other' }),
      )
      const first = await connectAll(t, nodePort, 2)
      await until(() => first.greeted.length === 2, 'the limit')
      const rest = await Promise.all([http, nodePort, https].map(at => connectAll(t, at, 4)))
      t.equal((await ask(t, other)).text, 'x', 'another Service is not affected')
      t.strictSame(
        rest.map(({ greeted }) => greeted.length),
        [0, 0, 0],
      )
      // Each frontend gets its turn: nobody waits behind all clients of another one.
      const greeted = (): net.Socket[] => rest.flatMap(each => each.greeted)
      for (const socket of first.all) await leave(socket)
      for (let left = 0; left < 4; left++) {
        await until(() => greeted().length === 2 + left, 'two that are served')
        const [next] = greeted().filter(socket => !socket.destroyed)
        await leave(next)
      }
      await until(() => greeted().length === 6, 'the next')
      for (const each of rest) t.ok(each.greeted.length >= 1, `${each.greeted.length} of 6`)
      while (greeted().length < 12) {
        for (const socket of greeted()) if (!socket.destroyed) await leave(socket)
        await until(() => greeted().some(socket => !socket.destroyed), 'more')
      }
      t.ok(endpoint.most() <= 3, 'two of the Service, and the other one')
    })

    void t.test('a limit that an update sets, raises, lowers and takes away', async t => {
      const frontend = freeAddress()
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      const serve = (limit: number | null): Promise<void> =>
        plane.serve(limited(frontend, endpoint.address, limit))
      await serve(null)
      const { greeted } = await connectAll(t, frontend, 3)
      await until(() => greeted.length === 3, 'three without a limit')
      await serve(2)
      const late = await connectAll(t, frontend, 4)
      for (const socket of greeted.splice(0, 1)) await leave(socket)
      t.match(await plane.counters(), { active: 2, total: 3 }, 'those above the limit stay, none comes')
      await serve(3)
      await until(() => late.greeted.length === 1, 'one more')
      t.equal(endpoint.now(), 3)
      await serve(1)
      for (const socket of greeted) await leave(socket)
      t.match(await plane.counters(), { active: 1, total: 4 })
      await serve(null)
      await until(() => late.greeted.length === 4, 'everyone')
    })

    void t.test('updates that come while nothing is settled end with the last limit', async t => {
      const frontend = freeAddress()
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      await Promise.all([1, null, 4, 2].map(limit => plane.serve(limited(frontend, endpoint.address, limit))))
      const { greeted } = await connectAll(t, frontend, 4)
      await until(() => greeted.length === 2, 'two')
      t.equal((await plane.counters()).active, 2)
      await Promise.all([1, null].map(limit => plane.serve(limited(frontend, endpoint.address, limit))))
      await until(() => greeted.length === 4, 'all')
    })

    void t.test('a Service that is deleted and made again counts what it still has', async t => {
      const frontend = freeAddress()
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(limited(frontend, endpoint.address, null))
      const { greeted } = await connectAll(t, frontend, 2)
      await until(() => greeted.length === 2, 'both')
      await plane.serve()
      t.equal(await connectOutcome(t, frontend), 'ECONNREFUSED')
      await plane.serve(limited(frontend, endpoint.address, 1))
      const late = await connectAll(t, frontend, 1)
      await leave(greeted[0])
      t.equal(late.greeted.length, 0)
      await leave(greeted[1])
      await until(() => late.greeted.length === 1, 'the one that waits')
    })

    void t.test('a frontend that moves to a Service with room is served there', async t => {
      const [one, two] = [freeAddress(), freeAddress()]
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      await plane.serve(limited(one, endpoint.address, 1))
      const { greeted } = await connectAll(t, one, 2)
      await until(() => greeted.length === 1, 'the limit')
      await plane.serve(
        limited(two, endpoint.address, 1),
        limited(one, endpoint.address, 1, { name: 'other' }),
      )
      await until(() => greeted.length === 2, 'the one that waited')
    })

    void t.test('clients that fail give their place back', async t => {
      const frontend = freeAddress()
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine })
      const frontends = [frontendAt(frontend, { sourceRanges: ['127.0.0.1/32'] })]
      await plane.serve(limited(frontend, endpoint.address, 1, { frontends }))
      for (let round = 0; round < 5; round++) {
        const refused = open(t, frontend, '127.0.0.9')
        t.equal((await outcome(refused)).end, 'ECONNRESET')
        t.equal((await ask(t, frontend)).text, 'x')
      }
    })

    void t.test('with too few descriptors as well: both reasons have to go', async t => {
      const [web, other] = [freeAddress(), freeAddress()]
      const endpoint = await startCounting(t)
      const plane = new TestPlane(t, { engine, descriptorLimit: 20 })
      await plane.serve(
        limited(web, endpoint.address, 2),
        limited(other, endpoint.address, null, { name: 'other' }),
      )
      const ofWeb = await connectAll(t, web, 4)
      await until(() => ofWeb.greeted.length === 2, 'the limit')
      const ofOther = await connectAll(t, other, 10)
      await until(async () => !(await plane.plane.status()).descriptors.accepting, 'no descriptor')
      for (const socket of ofWeb.greeted.splice(0)) await leave(socket)
      for (const socket of ofOther.all) socket.destroy()
      await until(() => ofWeb.greeted.length === 2, 'the other two')
      t.ok(endpoint.most() <= 8, 'what fits into 20 descriptors')
    })
  })

  void t.test(`connection limit without a way to hold connections back (${engine.name})`, async t => {
    const frontend = freeAddress()
    const endpoint = await startCounting(t)
    const plane = new LimitedPlane(t, engine, 300, ['--no-experimental-ffi'])
    await plane.apply(snapshot(1, limited(frontend, endpoint.address, 2)))
    const kept = [open(t, frontend), open(t, frontend)]
    await Promise.all(kept.map(socket => once(socket, 'data')))
    for (let count = 0; count < 3; count++) t.equal((await ask(t, frontend)).end, 'ECONNRESET')
    const { servicePorts } = await plane.status()
    t.match(servicePorts[0]?.connections, { active: 2, total: 2, failures: { 'max-connections': 3 } })
    await leave(kept[0])
    await until(async () => (await plane.status()).activeConnections === 1, 'the place to be free', 10)
    t.equal((await ask(t, frontend)).text, 'x')
  })
}

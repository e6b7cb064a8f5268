// What is said of each connection and UDP flow when it has ended: once for each, with how and why.

import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import type { Engine } from '../../lib/dataplane/engine.ts'
import type { DataPlaneOptions } from '../../lib/dataplane/local-data-plane.ts'
import { parseAddress } from '../../lib/model/address.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import type { ServicePort } from '../../lib/model/proxy-table.ts'
import type { AccessRecord } from '../../lib/ops/access-record.ts'
import { freeAddress, refusingAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { ManualClock } from '../manual-clock.ts'
import { TestPlane } from './plane.ts'
import { delta, frontendAt, tcpService, udpService } from './table.ts'
import { ask, askFrom, open, outcome, startEcho, startManual, startServer } from './tcp.ts'
import { askUdp, sendUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

interface Ended extends AccessRecord {
  readonly lastUsedAt: number | undefined
}

async function serve(t: Test, engine: Engine, port: ServicePort, options: Partial<DataPlaneOptions> = {}) {
  const clock = new ManualClock()
  const ended: Ended[] = []
  const plane = new TestPlane(t, {
    engine,
    clock,
    random: () => 0.5,
    accessLog: {
      ended: (record, lastUsedAt) => void ended.push({ ...record, lastUsedAt }),
      counts: () => ({ written: ended.length, dropped: 0 }),
    },
    ...options,
  })
  await plane.serve(port)
  return {
    plane,
    clock,
    /** The only one so far. */
    only: async (): Promise<Ended> => {
      await until(() => ended.length > 0, 'the end of a connection')
      const [first] = ended
      if (first === undefined || ended.length > 1) throw new Error(`${ended.length} connections have ended`)
      return first
    },
    ended,
  }
}

async function echoed(socket: ReturnType<typeof open>, text: string): Promise<void> {
  const answer = once(socket, 'data')
  socket.write(text)
  await answer
}

for (const engine of engines) {
  void t.test(`TCP (${engine.name})`, async t => {
    void t.test('a connection that both ends closed', async t => {
      const [frontend, endpoint] = [freeAddress(), await startEcho(t)]
      const { only, plane, clock } = await serve(t, engine, tcpService(frontend, [endpoint]))
      const client = open(t, frontend)
      await echoed(client, 'hello')
      clock.advance(1500)
      const { localPort } = client
      const answer = outcome(client)
      client.end(' world')
      t.equal((await answer).text, ' world')
      const { startedAt, ...record } = await only()
      const { ip, port } = parseAddress(frontend)
      t.match(record, {
        protocol: 'TCP',
        clientIp: '127.0.0.1',
        clientPort: localPort,
        frontendIp: ip,
        frontendPort: port,
        service: { namespace: 'default', name: 'web', portName: '' },
        endpoint,
        tries: 1,
        bytesIn: 11,
        bytesOut: 11,
        end: 'closed',
        reason: null,
      })
      t.equal(record.answeredAt, startedAt)
      t.equal(clock.now() - startedAt, 1500)
      t.strictSame((await plane.plane.status()).workers[0]?.accessLog, { written: 1, dropped: 0 })
    })

    void t.test('a frontend at any address: the one that the client took', async t => {
      const bound = new net.BoundSocket({ host: '0.0.0.0', port: 0 })
      const { port } = bound.address()
      bound.close()
      const service = tcpService(`0.0.0.0:${port}`, [await startEcho(t)])
      const { only } = await serve(t, engine, service)
      await ask(t, `127.9.8.7:${port}`)
      t.match(await only(), { frontendIp: '127.9.8.7', frontendPort: port })
    })

    void t.test('resets, by either side', async t => {
      const server = await startManual(t)
      const frontend = freeAddress()
      const { ended } = await serve(t, engine, tcpService(frontend, [server.address]))
      const first = open(t, frontend)
      first.write('question')
      const upstream = await server.accept()
      await once(upstream.resume(), 'data')
      first.resetAndDestroy()
      await until(() => ended.length === 1, 'the first end')
      t.match(ended[0], { end: 'client-reset', reason: null, endpoint: server.address, bytesIn: 8 })
      const second = open(t, frontend)
      const answer = outcome(second)
      const other = await server.accept()
      other.write('answer')
      await once(second, 'data')
      other.resetAndDestroy()
      t.equal((await answer).end, 'ECONNRESET')
      await until(() => ended.length === 2, 'the second end')
      t.match(ended[1], { end: 'upstream-reset', reason: null, endpoint: server.address, bytesOut: 6 })
    })

    void t.test('nobody answered', async t => {
      const frontend = freeAddress()
      const dead = [refusingAddress(t), refusingAddress(t)]
      const { only } = await serve(t, engine, tcpService(frontend, dead))
      t.equal((await ask(t, frontend, 'x')).end, 'ECONNRESET')
      t.match(await only(), {
        end: 'failed',
        reason: 'refused',
        endpoint: null,
        answeredAt: null,
        tries: 2,
        bytesIn: 0,
      })
    })

    void t.test('the second endpoint answered', async t => {
      const [frontend, endpoint] = [freeAddress(), await startEcho(t)]
      const service = tcpService(frontend, [refusingAddress(t), endpoint])
      const { only } = await serve(t, engine, service)
      await ask(t, frontend, 'x')
      t.match(await only(), { end: 'closed', endpoint, tries: 2 })
    })

    void t.test('an endpoint that went away before it answered, and no other', async t => {
      const frontend = freeAddress()
      const dying = await startServer(t, socket => void socket.resetAndDestroy())
      const service = tcpService(frontend, [dying, refusingAddress(t)])
      const { only } = await serve(t, engine, service)
      t.equal((await ask(t, frontend, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n')).end, 'ECONNRESET')
      const { end, endpoint, answeredAt, tries } = await only()
      t.strictSame(
        { end, endpoint, answeredAt, tries },
        { end: 'failed', endpoint: null, answeredAt: null, tries: 2 },
      )
    })

    void t.test('kept out by the source ranges', async t => {
      const frontend = freeAddress()
      const frontends = [frontendAt(frontend, { sourceRanges: ['127.0.7.0/24'] })]
      const { only } = await serve(t, engine, tcpService(frontend, [await startEcho(t)], { frontends }))
      t.equal((await askFrom(t, '127.0.8.1', frontend)).end, 'ECONNRESET')
      const rejected = {
        end: 'rejected',
        reason: 'source-range',
        clientIp: '127.0.8.1',
        endpoint: null,
        tries: 0,
      }
      t.match(await only(), rejected)
    })

    void t.test('kept out by the limit of one client', async t => {
      const frontend = freeAddress()
      const service = tcpService(frontend, [await startEcho(t)])
      const { only } = await serve(t, engine, service, { maxConnectionsPerClient: 1 })
      await echoed(open(t, frontend), 'x')
      t.equal((await ask(t, frontend)).end, 'ECONNRESET')
      t.match(await only(), { end: 'rejected', reason: 'client-limit' })
    })

    for (const [reason, settings, act] of [
      ['drain-timeout', { drainTimeoutMs: 1000 }, 'update'],
      ['max-connection-age', { maxConnectionAgeMs: 1000 }, 'wait'],
    ] as const) {
      void t.test(`ended politely: ${reason}`, async t => {
        const [frontend, endpoint] = [freeAddress(), await startEcho(t)]
        const service = tcpService(frontend, [endpoint], {
          settings: { ...defaultProxySettings, ...settings },
        })
        const { only, clock, plane } = await serve(t, engine, service)
        const client = open(t, frontend)
        await echoed(client, 'x')
        const answer = outcome(client)
        if (act === 'update') await plane.apply(delta(2, [{ ...service, cluster: [], serving: [] }]))
        clock.advance(1000)
        t.equal((await answer).end, 'end')
        client.end()
        t.match(await only(), { end: 'closed', reason, endpoint })
      })
    }

    void t.test(
      'reset at the greatest age, as the polite end was not heeded: the first reason counts',
      async t => {
        const server = await startManual(t)
        const frontend = freeAddress()
        const settings = { ...defaultProxySettings, maxConnectionAgeMs: 1000 }
        const { only, clock } = await serve(t, engine, tcpService(frontend, [server.address], { settings }))
        const client = open(t, frontend)
        const upstream = await server.accept()
        upstream.write('x')
        await once(client, 'data')
        const answer = outcome(client)
        clock.advance(1000)
        clock.advance(5000)
        await answer
        t.match(await only(), { end: 'aborted', reason: 'max-connection-age' })
      },
    )

    void t.test('half-closed for too long', async t => {
      const server = await startManual(t)
      const frontend = freeAddress()
      const { only, clock } = await serve(t, engine, tcpService(frontend, [server.address]), {
        halfClosedTimeoutMs: 1000,
      })
      const client = open(t, frontend)
      client.end()
      t.equal((await outcome(await server.accept())).end, 'end')
      for (let looks = 0; looks < 6; looks++) clock.advance(250)
      t.match(await only(), { end: 'aborted', reason: 'half-closed-timeout' })
    })

    void t.test('the data plane ends', async t => {
      const [frontend, slow] = [freeAddress(), await startManual(t)]
      const { ended, plane } = await serve(t, engine, tcpService(frontend, [slow.address]))
      const client = open(t, frontend)
      client.write('x')
      await once((await slow.accept()).resume(), 'data')
      await plane.plane.close()
      await until(() => ended.length === 1, 'the end')
      t.match(ended[0], { end: 'aborted', reason: 'shutdown', endpoint: slow.address, bytesIn: 1 })
    })
  })

  void t.test(`UDP (${engine.name})`, async t => {
    void t.test('silent for long enough: its time is that of its last datagram', async t => {
      const [frontend, endpoint] = [freeAddress(), await startUdpServer(t, data => `${data.toString()}!`)]
      const { only, clock } = await serve(t, engine, udpService(frontend, [endpoint]))
      const client = await udpClient(t)
      await askUdp(client, frontend, 'one')
      clock.advance(700)
      await askUdp(client, frontend, 'three')
      for (let seconds = 0; seconds < 32; seconds++) clock.advance(1000)
      const { startedAt, lastUsedAt = 0, ...record } = await only()
      const { ip, port } = parseAddress(frontend)
      t.match(record, {
        protocol: 'UDP',
        clientPort: client.address().port,
        frontendIp: ip,
        frontendPort: port,
        service: { name: 'dns' },
        endpoint,
        answeredAt: null,
        tries: 1,
        bytesIn: 8,
        bytesOut: 10,
        end: 'idle',
        reason: null,
      })
      t.equal(lastUsedAt - startedAt, 700)
    })

    void t.test('evicted, and left by its endpoint', async t => {
      const [frontend, endpoint] = [freeAddress(), await startUdpServer(t, data => data)]
      const service = udpService(frontend, [endpoint])
      const udp = { idleMs: 30_000, streamIdleMs: 180_000, maxFlows: 1 }
      const { ended, plane } = await serve(t, engine, service, { udp })
      const [first, second] = [await udpClient(t), await udpClient(t)]
      await askUdp(first, frontend, 'a')
      await askUdp(second, frontend, 'b')
      t.match(ended, [{ end: 'evicted', reason: null, clientPort: first.address().port }])
      await plane.apply(delta(2, [{ ...service, cluster: [], serving: [] }]))
      t.match(ended[1], { end: 'aborted', reason: 'endpoint-gone', clientPort: second.address().port })
      t.equal(ended.length, 2)
    })

    void t.test('refused by its endpoint', async t => {
      const [frontend, endpoint] = [freeAddress(), freeAddress()]
      const { only } = await serve(t, engine, udpService(frontend, [endpoint]))
      const client = await udpClient(t)
      sendUdp(client, frontend, 'x')
      t.match(await only(), { end: 'failed', reason: 'refused', endpoint, bytesIn: 1, bytesOut: 0 })
    })

    void t.test('kept out: a line a second at most, however much is sent', async t => {
      const [frontend, endpoint] = [freeAddress(), await startUdpServer(t, data => data)]
      const frontends = [frontendAt(frontend, { sourceRanges: ['127.0.7.0/24'] })]
      const { ended, plane, clock } = await serve(t, engine, udpService(frontend, [endpoint], { frontends }))
      const client = await udpClient(t)
      const rejected = async (): Promise<number> => (await plane.counters()).failures['source-range']
      for (let sent = 0; sent < 5; sent++) sendUdp(client, frontend, 'x')
      await until(async () => (await rejected()) === 5, 'five datagrams')
      t.match(ended, [{ end: 'rejected', reason: 'source-range', endpoint: null, tries: 0 }])
      clock.advance(1000)
      sendUdp(client, frontend, 'x')
      await until(async () => (await rejected()) === 6, 'another one')
      t.equal(ended.length, 2)
    })

    void t.test('its frontend goes with its Service', async t => {
      const [frontend, endpoint] = [freeAddress(), await startUdpServer(t, data => data)]
      const { ended, plane } = await serve(t, engine, udpService(frontend, [endpoint]))
      await askUdp(await udpClient(t), frontend, 'x')
      await plane.plane.close()
      t.match(ended, [{ end: 'aborted', reason: 'frontend-gone', bytesIn: 1, bytesOut: 1 }])
    })
  })
}

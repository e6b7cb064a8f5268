// The moment between an upstream that has gone unanswered and the next one: the relay is nobody's then, and must neither
// touch the client any more nor forget to tell how it ended.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { asConn } from '../../../../lib/dataplane/engines/net/conn.ts'
import { NetRelay } from '../../../../lib/dataplane/engines/net/relay.ts'
import type { Relay, RelayEnd } from '../../../../lib/dataplane/engine.ts'
import { parseAddress } from '../../../../lib/model/address.ts'
import { startManual } from '../../tcp.ts'
import { until } from '../../until.ts'

/** A connected pair: the end that a relay gets, and the peer's. */
async function pair(t: Test): Promise<readonly [net.Socket, net.Socket]> {
  const server = await startManual(t)
  const { ip, port } = parseAddress(server.address)
  const ours = net.connect({ host: ip, port, allowHalfOpen: true })
  asConn(ours)
  t.teardown(() => ours.destroy())
  await once(ours, 'connect')
  return [ours, await server.accept()]
}

function relay(...args: ConstructorParameters<typeof NetRelay>): Relay {
  return new NetRelay(...args)
}

/** Relays until the upstream resets after a question, and does something to the relay in that very moment. */
async function duringRetry(t: Test, act: (relay: Relay) => void) {
  const [client, clientPeer] = await pair(t)
  const [upstream, upstreamPeer] = await pair(t)
  upstreamPeer.once('data', () => upstreamPeer.resetAndDestroy()).resume()
  const ends: { readonly end: RelayEnd; readonly sent: string | null }[] = []
  const ended = new Promise<void>(resolve => {
    const relay = new NetRelay(
      client,
      upstream,
      {
        prefix: null,
        sent: null,
        keepBytes: 100,
        mayRetry: () => {
          queueMicrotask(() => act(relay))
          return true
        },
      },
      (end, sent) => {
        ends.push({ end, sent: sent === null ? null : Buffer.from(sent).toString() })
        resolve()
      },
    )
    clientPeer.write('question')
  })
  await ended
  return { client, clientPeer, ends }
}

void t.test('left alone, the client is handed back with what it sent', async t => {
  const { client, ends } = await duringRetry(t, () => {})
  t.strictSame(ends, [{ end: 'unanswered', sent: 'question' }])
  t.equal(client.destroyed, false)
})

void t.test('a polite end leaves the client to its next upstream', async t => {
  const { client, ends } = await duringRetry(t, relay => relay.finish())
  t.strictSame(ends, [{ end: 'unanswered', sent: 'question' }])
  t.equal(client.writableEnded, false)
})

void t.test('an abort is the end, for the client, too', async t => {
  const { client, clientPeer, ends } = await duringRetry(t, relay => {
    relay.abort()
    relay.abort()
  })
  t.strictSame(ends, [{ end: 'aborted', sent: null }])
  t.equal(client.destroyed, true)
  const gone = once(clientPeer, 'error')
  clientPeer.resume()
  t.match(await gone, [{ code: 'ECONNRESET' }])
})

void t.test('a client that went while nobody had it ends the next relay, once', async t => {
  for (const [error, end] of [
    [undefined, 'closed'],
    [new Error('reset'), 'client-reset'],
  ] as const) {
    for (const when of ['just now', 'before'] as const) {
      const [client] = await pair(t)
      const [upstream, upstreamPeer] = await pair(t)
      const closed = new Promise(resolve => client.once('close', resolve))
      client.destroy(error)
      if (when === 'before') await closed
      const ends: RelayEnd[] = []
      const options = { prefix: null, sent: null, keepBytes: 0, mayRetry: () => false }
      relay(client, upstream, options, end => ends.push(end))
      const gone = once(upstreamPeer, 'error')
      upstreamPeer.resume()
      t.match(await gone, [{ code: 'ECONNRESET' }])
      await until(() => upstream.closed && ends.length > 0, 'the relay to end')
      await turn()
      await turn()
      t.strictSame(ends, [end], `${when}, ${error?.message ?? 'without an error'}`)
    }
  }
})

void t.test('a request that dribbles in is kept for another try within bounds', async t => {
  for (const [bytes, offered] of [
    [100, 'a'.repeat(100)],
    [200, null],
  ] as const) {
    const [client, clientPeer] = await pair(t)
    const [upstream, upstreamPeer] = await pair(t)
    const offers: string[] = []
    const mayRetry = (sent: Uint8Array): boolean => offers.push(Buffer.from(sent).toString()) === 0
    const options = { prefix: null, sent: null, keepBytes: 1000, mayRetry }
    const ended = new Promise(resolve => relay(client, upstream, options, resolve))
    for (let i = 1; i <= bytes; i++) {
      clientPeer.write('a')
      await until(() => client.bytesRead === i, 'the byte')
    }
    upstreamPeer.resetAndDestroy()
    t.equal(await ended, 'upstream-reset')
    t.strictSame(offers, offered === null ? [] : [offered])
  }
})

void t.test(
  'what the client says while nobody has it goes to the next upstream, in order and with its end',
  async t => {
    const { client, clientPeer, ends } = await duringRetry(t, () => {})
    const more = randomBytes(500_000)
    clientPeer.end(more)
    await until(() => client.readableLength > 0, 'some of it to arrive')
    const [upstream, upstreamPeer] = await pair(t)
    const sent = Buffer.from(ends[0]?.sent ?? '')
    const ended = new Promise(resolve => {
      relay(client, upstream, { prefix: null, sent, keepBytes: 0, mayRetry: () => false }, resolve)
    })
    const got = await buffer(upstreamPeer)
    t.equal(got.compare(Buffer.concat([sent, more])), 0)
    clientPeer.resume()
    upstreamPeer.end('answer')
    t.equal(await ended, 'closed')
  },
)

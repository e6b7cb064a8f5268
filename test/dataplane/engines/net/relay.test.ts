// The moment between an upstream that has gone unanswered and the next one: the relay is nobody's then, and must neither
// touch the client any more nor forget to tell how it ended.

import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { asConn } from '../../../../lib/dataplane/engines/net/conn.ts'
import { NetRelay } from '../../../../lib/dataplane/engines/net/relay.ts'
import type { Relay, RelayEnd } from '../../../../lib/dataplane/engine.ts'
import { parseAddress } from '../../../../lib/model/address.ts'
import { startManual } from '../../tcp.ts'

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

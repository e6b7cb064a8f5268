// The writing side of a socket: when TCP_NODELAY is set, and what a peer sees of the ways to end.

import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { Outlet } from '../../../../lib/dataplane/engines/net/outlet.ts'
import { parseAddress } from '../../../../lib/model/address.ts'
import { outcome, startManual } from '../../tcp.ts'

async function pair(t: Test) {
  const server = await startManual(t)
  const { ip, port } = parseAddress(server.address)
  const socket = net.connect({ host: ip, port, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const noDelay = t.capture(socket, 'setNoDelay', socket.setNoDelay.bind(socket))
  return { socket, peer: await server.accept(), outlet: new Outlet(socket), noDelays: () => noDelay().length }
}

void t.test(
  'TCP_NODELAY comes with the second write, or with the first that takes more than a segment',
  async t => {
    for (const [sizes, expected] of [
      [[1], [0]],
      [[536], [0]],
      [
        [537, 1, 1],
        [1, 0, 0],
      ],
      [
        [1, 1, 1000],
        [0, 1, 0],
      ],
    ] as const) {
      const { outlet, noDelays } = await pair(t)
      const seen = sizes.map(size => {
        outlet.write(Buffer.alloc(size))
        return noDelays()
      })
      t.strictSame(seen, expected, `writes of ${sizes.join(', ')}`)
    }
  },
)

void t.test(
  'ending after the peer has ended closes the socket, and the peer sees a FIN after all that was written',
  async t => {
    const { socket, peer, outlet } = await pair(t)
    peer.end('question')
    t.equal((await outcome(socket)).text, 'question')
    outlet.write(Buffer.from('answer'))
    t.equal(outlet.ended, false)
    outlet.end()
    t.strictSame([outlet.ended, outlet.finished, socket.destroyed], [true, true, true])
    outlet.end()
    t.same(await outcome(peer), { text: 'answer', end: 'end' })
  },
)

void t.test('what still waits to be written goes out before the end', async t => {
  const { socket, peer, outlet } = await pair(t)
  peer.end()
  await outcome(socket)
  const bytes = 16 << 20
  outlet.write(Buffer.alloc(bytes, 'a'))
  t.ok(socket.writableLength > 0)
  outlet.end()
  t.strictSame([outlet.ended, outlet.finished, socket.destroyed], [true, false, false])
  const { text, end } = await outcome(peer)
  t.strictSame([text.length, end], [bytes, 'end'])
  t.equal(outlet.finished, true)
})

void t.test('ending first leaves the other direction open', async t => {
  const { socket, peer, outlet } = await pair(t)
  outlet.write(Buffer.from('question'))
  outlet.end()
  t.same(await outcome(peer), { text: 'question', end: 'end' })
  peer.end('answer')
  t.same(await outcome(socket), { text: 'answer', end: 'end' })
})

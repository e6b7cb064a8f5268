// A listener that is paused leaves its connections to the kernel, and loses none of them.

import { once } from 'node:events'
import net from 'node:net'
import t, { type Test } from 'tap'
import { NetTcpListener } from '../../../../lib/dataplane/engines/net/tcp-listener.ts'
import { asSocket } from '../../../../lib/dataplane/engines/net/conn.ts'
import { formatAddress } from '../../../../lib/model/address.ts'
import { connectOutcome, open, outcome } from '../../tcp.ts'

async function listen(t: Test, ip = '127.0.0.1') {
  const peers: string[] = []
  const listener = await NetTcpListener.open(
    { ip, port: 0 },
    {
      onConnection(client, peer) {
        peers.push(formatAddress(peer.ip, peer.port))
        asSocket(client).resume().end('hello')
      },
      onError: error => t.fail(error.message),
    },
  )
  t.teardown(() => listener.close())
  return { listener, peers, address: formatAddress(listener.address.ip, listener.address.port) }
}

for (const ip of ['127.0.0.1', '::1']) {
  void t.test(`${ip}: says where it listens and who came`, async t => {
    const { peers, address } = await listen(t, ip)
    const client = open(t, address)
    t.equal((await outcome(client)).text, 'hello')
    t.strictSame(peers, [formatAddress(client.localAddress ?? '', client.localPort ?? 0)])
    client.end()
  })
}

void t.test('paused: connections are established but not accepted, then all are', async t => {
  const { listener, peers, address } = await listen(t)
  for (let round = 0; round < 3; round++) {
    const before = peers.length
    t.equal(listener.pause(), 'held')
    t.equal(listener.pause(), 'held')
    const clients = Array.from({ length: 600 }, () => open(t, address))
    await Promise.all(clients.map(client => once(client, 'connect')))
    t.equal(peers.length, before)
    const answers = Promise.all(clients.map(client => outcome(client)))
    listener.resume()
    listener.resume()
    t.ok((await answers).every(({ text, end }) => text === 'hello' && end === 'end'))
    t.equal(peers.length, before + 600)
    for (const client of clients) client.destroy()
  }
})

void t.test('closed while paused: refuses', async t => {
  const { listener, address } = await listen(t)
  listener.pause()
  listener.close()
  listener.close()
  listener.resume()
  t.equal(await connectOutcome(t, address), 'ECONNREFUSED')
})

void t.test('paused in the middle of a rush of connections: none is lost', async t => {
  const { listener, address } = await listen(t)
  const answers = Array.from({ length: 200 }, () => {
    const client = open(t, address)
    return outcome(client).finally(() => client.destroy())
  })
  for (let round = 0; round < 20; round++) {
    listener.pause()
    await new Promise(resolve => setImmediate(resolve))
    listener.resume()
    await new Promise(resolve => setImmediate(resolve))
  }
  t.ok((await Promise.all(answers)).every(({ text }) => text === 'hello'))
})

void t.test('a port that is taken', async t => {
  const squatter = net.createServer().listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  t.teardown(() => squatter.close())
  const { port } = squatter.address() as net.AddressInfo
  const handlers = { onConnection() {}, onError() {} }
  await t.rejects(NetTcpListener.open({ ip: '127.0.0.1', port }, handlers), { code: 'EADDRINUSE' })
})

// The PROXY protocol towards endpoints, read by other programs' parsers.

import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { formatAddress, parseAddress } from '../../lib/model/address.ts'
import { defaultProxySettings } from '../../lib/model/proxy-settings.ts'
import { proxyHeader } from '../../lib/dataplane/proxy-protocol.ts'
import { freeAddress, freePort } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { headerReaders } from './proxy-header-readers.ts'
import { frontendAt, tcpService } from './table.ts'
import { open, outcome, startManual, startServer } from './tcp.ts'

const versions = ['v1', 'v2'] as const
const request = 'GET / HTTP/1.0\r\n\r\n'

for (const engine of engines) {
  for (const reader of headerReaders) {
    // In CI a missing reader is a failure: .ci/install-peers brings it.
    const skip = reader.missing && !process.env['CI'] ? `needs the packages ${reader.packages}` : false
    void t.test(`PROXY header read by ${reader.name} (${engine.name})`, { skip }, async t => {
      for (const version of versions) {
        for (const family of ['IPv4', 'IPv6'] as const) {
          void t.test(`${version} over ${family}`, async t => {
            const endpoint = await reader.start(t, family === 'IPv4' ? '127.0.0.1' : '::1')
            const frontend = freeAddress(family)
            const plane = new TestPlane(t, { engine })
            const settings = { ...defaultProxySettings, proxyProtocol: version }
            await plane.serve(tcpService(frontend, [endpoint], { settings }))
            const client = open(t, frontend)
            client.write(request)
            const { address, port } = await localAddress(client)
            const { text } = await outcome(client)
            const bare = parseAddress(frontend)
            t.match(text, `${address}:${port} ${bare.ip}:${bare.port}`)
          })
        }
      }
    })
  }

  void t.test(`PROXY header (${engine.name})`, async t => {
    const settings = { ...defaultProxySettings, proxyProtocol: 'v1' as const }

    void t.test('a wildcard NodePort tells the address that the client connected to', async t => {
      const server = await startManual(t)
      const plane = new TestPlane(t, { engine })
      const port = freePort()
      const frontends = [frontendAt(`0.0.0.0:${port}`, { kind: 'NodePort' })]
      await plane.serve(tcpService(`0.0.0.0:${port}`, [server.address], { settings, frontends }))
      const client = open(t, `127.0.0.7:${port}`)
      const header = await firstBytes(await server.accept())
      t.equal(header, `PROXY TCP4 127.0.0.1 127.0.0.7 ${(client.address() as AddressInfo).port} ${port}\r\n`)
    })

    void t.test('an endpoint that speaks first has the header before the client says a word', async t => {
      const server = await startServer(t, socket =>
        socket.once('data', chunk => socket.end(`220 ${String(chunk)}`)),
      )
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [server], { settings }))
      t.match((await outcome(open(t, frontend))).text, /^220 PROXY TCP4 /)
    })

    void t.test('a second try has the header, too, and then what the client sent', async t => {
      const second = await startServer(t, socket => socket.once('data', chunk => socket.end(chunk)))
      const first = await startServer(t, socket => socket.once('data', () => socket.resetAndDestroy()))
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [first, second], { settings }))
      for (let i = 0; i < 2; i++) {
        const client = open(t, frontend)
        client.write(request)
        const { port } = await localAddress(client)
        const { text } = await outcome(client)
        t.match(text, new RegExp(`^PROXY TCP4 \\S+ \\S+ ${port} \\d+\\r\\n`))
        t.equal(text.split('PROXY').length, 2, 'once')
      }
    })
  })
}

async function localAddress(socket: Socket): Promise<AddressInfo> {
  if (socket.connecting) await once(socket, 'connect')
  return socket.address() as AddressInfo
}

async function firstBytes(socket: Socket): Promise<string> {
  const chunk = await new Promise<Buffer>(resolve => socket.once('data', resolve).resume())
  return chunk.toString('latin1')
}

void t.test('the headers byte by byte', async t => {
  const client = { ip: '192.0.2.1', port: 0x1234 }
  const frontend = { ip: '198.51.100.2', port: 443 }
  t.equal(proxyHeader('v1', client, frontend).toString(), 'PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n')
  t.equal(
    proxyHeader('v2', client, frontend).toString('hex'),
    '0d0a0d0a000d0a515549540a2111000cc0000201c6336402123401bb',
  )
  const six = proxyHeader('v2', { ip: '2001:db8::1', port: 1 }, { ip: '2001:db8::2', port: 2 })
  t.equal(six.length, 16 + 36)
  t.equal(six.subarray(12, 16).toString('hex'), '21210024')
  t.equal(
    proxyHeader('v1', { ip: '2001:db8::1', port: 1 }, { ip: '2001:db8::2', port: 2 }).toString(),
    'PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n',
  )
  t.equal(formatAddress('::1', 1), '[::1]:1')
})

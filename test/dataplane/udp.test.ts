// Datagrams of every size, to and from the right addresses, in both IP families.

import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { freeAddress, ownIp, refusingAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { udpService } from './table.ts'
import { askUdp, nextDatagram, sendUdp, startUdpServer, udpClient } from './udp.ts'
import { until } from './until.ts'

/** What fits into an IPv4 packet: 65,535 less the headers of IP and UDP. */
const largest = 65_507

for (const engine of engines) {
  void t.test(`UDP (${engine.name})`, async t => {
    for (const [family, host] of [
      ['IPv4', ownIp()],
      ['IPv6', '::1'],
    ] as const) {
      void t.test(`${family}: datagrams from none to ${largest} bytes, both ways, whole`, async t => {
        const frontend = freeAddress(family)
        const received: string[] = []
        const endpoint = await startUdpServer(
          t,
          data => {
            received.push(hash(data))
            return data
          },
          host,
        )
        const plane = new TestPlane(t, { engine })
        await plane.serve(udpService(frontend, [endpoint]))
        const client = await udpClient(t, undefined, family === 'IPv4' ? ownIp() : '::1')
        const sizes = [0, 1, 512, 1500, 4096, 4097, 65_000, largest, 0]
        for (const size of sizes) {
          const data = randomBytes(size)
          const answer = await askUdp(client, frontend, data)
          t.equal(received.at(-1), hash(data), `${size} bytes arrived`)
          t.equal(hash(answer.data), hash(data), `${size} bytes came back`)
          t.equal(answer.from, frontend, 'from the address that was asked')
        }
        const bytes = sizes.reduce((sum, size) => sum + size, 0)
        t.match(await plane.counters(), { active: 1, total: 1, bytesIn: bytes, bytesOut: bytes })
      })
    }

    void t.test('several answers to one question', async t => {
      const frontend = freeAddress()
      const endpoint = await udpClient(t, undefined, ownIp())
      endpoint.on('message', (_data, from) => {
        for (const part of ['one', 'two', 'three']) endpoint.send(part, from.port, from.address)
      })
      const { address, port } = endpoint.address()
      const plane = new TestPlane(t, { engine })
      await plane.serve(udpService(frontend, [`${address}:${port}`]))
      const client = await udpClient(t)
      const answers: string[] = []
      client.on('message', data => void answers.push(data.toString()))
      sendUdp(client, frontend, '?')
      await until(() => answers.length === 3, 'three answers')
      t.strictSame(answers, ['one', 'two', 'three'])
    })

    void t.test('nobody but the endpoint can answer', async t => {
      const frontend = freeAddress()
      const seen: { readonly ip: string; readonly port: number }[] = []
      const endpoint = await udpClient(t, undefined, ownIp())
      endpoint.on('message', (_data, from) => void seen.push({ ip: from.address, port: from.port }))
      const { address, port } = endpoint.address()
      const plane = new TestPlane(t, { engine })
      await plane.serve(udpService(frontend, [`${address}:${port}`]))
      const client = await udpClient(t)
      sendUdp(client, frontend, '?')
      await until(() => seen.length === 1, 'the question')
      const answer = nextDatagram(client)
      const { ip, port: flowPort } = seen[0] ?? { ip: '', port: 0 }
      ;(await udpClient(t, undefined, ownIp())).send('forged', flowPort, ip)
      endpoint.send('genuine', flowPort, ip)
      t.equal((await answer).text, 'genuine')
    })

    void t.test(
      'an endpoint that refuses: the next datagram goes elsewhere, nothing is left behind',
      async t => {
        const frontend = freeAddress()
        const alive = await startUdpServer(t, () => 'alive')
        const plane = new TestPlane(t, { engine })
        await plane.serve(udpService(frontend, [refusingAddress(t), alive]))
        const client = await udpClient(t)
        sendUdp(client, frontend, 'lost')
        await until(async () => (await plane.counters()).failures.refused === 1, 'the refusal')
        t.match(await plane.counters(), { active: 0, total: 1, dialFailures: 1 })
        t.equal((await askUdp(client, frontend, '?')).text, 'alive')
        t.match(await plane.counters(), { active: 1, total: 2 })
      },
    )

    void t.test('a burst to an endpoint that refuses ends its flow, too', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      await plane.serve(udpService(frontend, [refusingAddress(t)]))
      const client = await udpClient(t)
      // An even number: an error of the socket is reported once only, to a send or to a receive.
      for (let count = 0; count < 2; count++) sendUdp(client, frontend, 'lost')
      await until(async () => (await plane.counters()).failures.refused > 0, 'the refusal')
      await until(async () => (await plane.counters()).active === 0, 'the flow to end')
    })

    void t.test('an endpoint that the kernel refuses to connect to', async t => {
      const frontend = freeAddress()
      const plane = new TestPlane(t, { engine })
      // EACCES without SO_BROADCAST; a missing route (ENETUNREACH) is reported the same way.
      await plane.serve(udpService(frontend, ['255.255.255.255:9', await startUdpServer(t, () => 'alive')]))
      const client = await udpClient(t)
      sendUdp(client, frontend, 'lost')
      sendUdp(client, frontend, 'lost, too')
      await until(async () => (await plane.counters()).failures.refused === 1, 'the failure')
      t.equal((await askUdp(client, frontend, '?')).text, 'alive')
      t.match(await plane.counters(), { active: 1 })
    })
  })
}

function hash(data: Buffer): string {
  return `${data.length}:${createHash('sha256').update(data).digest('hex')}`
}

// Many connections at once, of every size: each gets its own bytes back.

import { createHash, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { freeAddress } from './addresses.ts'
import { engines } from './engines.ts'
import { TestPlane } from './plane.ts'
import { tcpService } from './table.ts'
import { open, startEcho } from './tcp.ts'

for (const engine of engines) {
  for (const family of ['IPv4', 'IPv6'] as const) {
    void t.test(`250 connections over ${family} (${engine.name})`, async t => {
      const frontend = freeAddress(family)
      const host = family === 'IPv4' ? undefined : '::1'
      const plane = new TestPlane(t, { engine })
      await plane.serve(tcpService(frontend, [await startEcho(t, host), await startEcho(t, host)]))
      const sizes = fc.oneof(
        fc.constantFrom(0, 1, 65_535, 65_536, 65_537),
        fc.integer({ max: 300_000, min: 0 }),
      )
      const rounds = fc.array(sizes, { minLength: 250, maxLength: 250 })
      let total = 0
      await fc.assert(
        fc.asyncProperty(rounds, async sizes => {
          const same = await Promise.all(sizes.map(size => echoes(t, frontend, size)))
          total += sizes.reduce((sum, size) => sum + size, 0)
          return same.every(Boolean)
        }),
        { numRuns: 3 },
      )
      await plane.idle()
      t.match(await plane.counters(), {
        active: 0,
        total: 750,
        bytesIn: total,
        bytesOut: total,
        dialRetries: 0,
        dialFailures: 0,
      })
    })
  }
}

/** Sends that many random bytes in pieces and compares what comes back. */
function echoes(t: Test, frontend: string, size: number): Promise<boolean> {
  const data = randomBytes(size)
  const socket = open(t, frontend)
  const received = createHash('sha1')
  for (let offset = 0; offset < size; offset += 50_000) socket.write(data.subarray(offset, offset + 50_000))
  socket.end()
  return new Promise(resolve => {
    socket.on('data', (chunk: Buffer) => void received.update(chunk))
    socket.on('end', () => resolve(received.digest('hex') === createHash('sha1').update(data).digest('hex')))
    socket.on('error', () => resolve(false))
  })
}

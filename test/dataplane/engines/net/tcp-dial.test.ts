// One attempt to connect: its outcomes, and that it leaves nothing open.

import t, { type Test } from 'tap'
import type { DialFailure } from '../../../../lib/dataplane/engine.ts'
import { asSocket } from '../../../../lib/dataplane/engines/net/conn.ts'
import { dialTcp } from '../../../../lib/dataplane/engines/net/tcp-dial.ts'
import { parseAddress } from '../../../../lib/model/address.ts'
import { refusingAddress } from '../../addresses.ts'
import { startBlackHole } from '../../black-hole.ts'
import { startManual } from '../../tcp.ts'

function dial(t: Test, address: string, timeoutMs: number): Promise<DialFailure | 'connected'> {
  return new Promise(resolve => {
    dialTcp(parseAddress(address), timeoutMs, (failure, conn) => {
      if (conn !== null) t.teardown(() => asSocket(conn).destroy())
      resolve(failure ?? 'connected')
    })
  })
}

void t.test('connected, refused, timed out', async t => {
  t.equal(await dial(t, (await startManual(t)).address, 30_000), 'connected')
  t.equal(await dial(t, refusingAddress(t), 30_000), 'refused')
  t.equal(await dial(t, refusingAddress(t, 'IPv6'), 30_000), 'refused')
  t.equal(await dial(t, await startBlackHole(t), 10), 'timeout')
})

void t.test('an answer that came while the loop was busy is no timeout', async t => {
  const { address } = await startManual(t)
  const outcome = dial(t, address, 1)
  const until = performance.now() + 50
  while (performance.now() < until);
  t.equal(await outcome, 'connected')
})

void t.test('a cancelled attempt says nothing any more', async t => {
  const server = await startManual(t)
  const { address } = server
  const attempt = dialTcp(parseAddress(address), 10, () => t.fail('done was called'))
  attempt.cancel()
  attempt.cancel()
  // Another one behind it: whatever the first had to say would have been said by then.
  t.equal(await dial(t, address, 30_000), 'connected')
  await server.accept()
  t.equal(await dial(t, await startBlackHole(t), 20), 'timeout')
})

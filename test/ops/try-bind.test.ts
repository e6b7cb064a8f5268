import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { test } from 'tap'
import { tryBind } from '../../lib/ops/try-bind.ts'

void test('an address that is taken, and one that is free', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  t.match(await tryBind({ ip: '127.0.0.1', port }), { code: 'EADDRINUSE' })
  t.equal(await tryBind({ ip: '127.0.0.1', port: 0 }), null)
})

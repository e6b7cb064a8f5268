import { spawn } from 'node:child_process'
import { pbkdf2 } from 'node:crypto'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { inNamespace } from '../../lib/dataplane/engines/net/namespace.ts'
import { systemClock } from '../../lib/ops/clock.ts'
import { announcePresence } from '../../lib/vip/presence.ts'
import { ManualClock } from '../manual-clock.ts'
import { enterOwnNetwork } from '../own-network.ts'
import { vipTest } from './vip-test.ts'

/** Holds an abstract name, in another process. */
function holder(name: string) {
  const script = `require('net').createServer().listen(${JSON.stringify(`\0${name}`)}, () => console.log('held'))`
  return spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
}

vipTest('agents of one network know of each other', async t => {
  const clock = new ManualClock()
  const first = await announcePresence(clock)
  t.ok(await first.isAlone())
  const second = await announcePresence(clock)
  t.notOk(await first.isAlone())
  t.notOk(await second.isAlone())
  await first.close()
  await first.close()
  t.ok(await second.isAlone())
  await second.close()
})

vipTest('those of another network are none of ours', async t => {
  const first = await announcePresence(new ManualClock())
  enterOwnNetwork()
  const second = await announcePresence(new ManualClock())
  t.ok(await second.isAlone())
  await first.close()
  await second.close()
})

vipTest('they know while a listener is opened in another network', async t => {
  const presences = [await announcePresence(systemClock), await announcePresence(systemClock)]
  const other = spawn('unshare', ['--net', 'sh', '-c', 'echo there; exec sleep 60'])
  t.teardown(() => other.kill('SIGKILL'))
  await once(other.stdout, 'data')
  const network = `/proc/${other.pid}/ns/net`
  // Whatever is left to other threads has to wait until this one is in the other network.
  const busy = Array.from({ length: 16 }, () => promisify(pbkdf2)('', '', 20_000, 64, 'sha512'))
  const asked = presences[0]?.isAlone()
  inNamespace(network, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500))
  await Promise.all(busy)
  t.notOk(await asked)
  await Promise.all(presences.map(each => each.close()))
})

vipTest('one that is killed is gone', async t => {
  const presence = await announcePresence(new ManualClock())
  const child = holder('kube-relay/vips/another')
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  t.notOk(await presence.isAlone())
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(await presence.isAlone())
  await presence.close()
})

vipTest("the lock is one agent's at a time, and passes on", async t => {
  const clock = new ManualClock()
  const [first, second] = [await announcePresence(clock), await announcePresence(clock)]
  const held = await first.lock(0)
  t.ok(held)
  t.equal(await second.lock(0), null, 'without patience')
  const waiting = second.lock(1000)
  await clock.armed(delay => delay === 50)
  await held?.release()
  clock.advance(50)
  const next = await waiting
  t.ok(next)
  t.equal(await first.lock(0), null)
  await next?.release()
  await first.close()
  await second.close()
})

vipTest('a lock whose holder is killed is free', async t => {
  const presence = await announcePresence(systemClock)
  const child = holder('kube-relay/vips.lock'.padEnd(107, '.'))
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  t.equal(await presence.lock(0), null)
  const waiting = presence.lock(60_000)
  child.kill('SIGKILL')
  const lock = await waiting
  t.ok(lock, 'and who waits for it keeps the process alive')
  await lock?.release()
  await presence.close()
})

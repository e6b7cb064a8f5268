// The states of a frontend, with a fake socket: refusing, binding, listening, bind-failed, and every way between.

import t from 'tap'
import { FrontendState, type FrontendSocket } from '../../lib/dataplane/frontend-state.ts'
import { ServiceState } from '../../lib/dataplane/service-state.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { ManualClock } from '../manual-clock.ts'
import { defaultOptions } from './plane-options.ts'
import { frontendAt, tcpService } from './table.ts'

const address = '127.0.0.1:80'

/** A frontend whose binds end when and as the test says. */
function create() {
  const clock = new ManualClock()
  const service = new ServiceState(tcpService(address, ['127.0.0.1:8080']), { ...defaultOptions, clock })
  const binds: { succeed(): Promise<void>; fail(code: string): Promise<void> }[] = []
  const events: string[] = []
  const open = (): Promise<FrontendSocket> =>
    new Promise((resolve, reject) => {
      const number = binds.length + 1
      const socket: FrontendSocket = {
        close: () => void events.push(`close ${number}`),
        pause: () => void events.push(`pause ${number}`),
        resume: () => void events.push(`resume ${number}`),
      }
      const settled = (): Promise<void> => new Promise(done => setImmediate(done))
      binds.push({
        succeed: () => (resolve(socket), settled()),
        fail: code => (reject(Object.assign(new Error('refused by the system'), { code })), settled()),
      })
    })
  const frontend = new FrontendState(
    { service, frontend: frontendAt(address), sources: null },
    open,
    clock,
    silentLog,
  )
  const setEndpoints = (...endpoints: string[]): void => service.update(tcpService(address, endpoints))
  const bind = (index: number): (typeof binds)[number] => {
    const found = binds[index]
    if (found === undefined) throw new Error(`no bind ${index}`)
    return found
  }
  return { frontend, clock, binds, bind, events, setEndpoints }
}

void t.test('refusing, binding, listening, refusing', async t => {
  const { frontend, bind, events, setEndpoints } = create()
  t.strictSame(frontend.state, { name: 'refusing' })
  const settled = frontend.settle()
  t.strictSame(frontend.state, { name: 'binding' })
  await bind(0).succeed()
  await settled
  t.strictSame(frontend.state, { name: 'listening' })
  setEndpoints()
  await frontend.settle()
  t.strictSame(frontend.state, { name: 'refusing' })
  t.strictSame(events, ['close 1'])
  frontend.close()
  t.strictSame(events, ['close 1'])
})

void t.test('settling again while it listens or binds opens nothing twice', async t => {
  const { frontend, binds, bind } = create()
  const both = Promise.all([frontend.settle(), frontend.settle()])
  await bind(0).succeed()
  await both
  await frontend.settle()
  t.equal(binds.length, 1)
})

void t.test('a failed bind is a state with a reason, and is retried ever later', async t => {
  const { frontend, clock, binds, bind } = create()
  const settled = frontend.settle()
  await bind(0).fail('EADDRINUSE')
  await settled
  t.strictSame(frontend.state, { name: 'bind-failed', reason: 'EADDRINUSE' })
  let failed = 1
  for (const delayMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    clock.advance(delayMs - 1)
    t.equal(binds.length, failed, `nothing before ${delayMs} ms`)
    clock.advance(1)
    t.equal(binds.length, ++failed)
    await bind(failed - 1).fail('EADDRINUSE')
  }
  await frontend.settle()
  t.equal(binds.length, failed, 'settling does not hurry it')
  clock.advance(30_000)
  await bind(failed).succeed()
  t.strictSame(frontend.state, { name: 'listening' })
  t.equal(clock.pending, 0)
})

void t.test('an error without a code is told by its message', async t => {
  const clock = new ManualClock()
  const service = new ServiceState(tcpService(address, ['127.0.0.1:8080']), { ...defaultOptions, clock })
  const open = (): Promise<FrontendSocket> => Promise.reject(new Error('out of order'))
  const frontend = new FrontendState(
    { service, frontend: frontendAt(address), sources: null },
    open,
    clock,
    silentLog,
  )
  await frontend.settle()
  t.strictSame(frontend.state, { name: 'bind-failed', reason: 'out of order' })
})

void t.test(
  'opened anew: the old socket is closed, and whatever was wrong is tried again at once',
  async t => {
    const { frontend, clock, binds, bind, events } = create()
    await frontend.reopen()
    t.equal(binds.length, 0, 'nobody wants it open')
    void frontend.settle()
    await bind(0).succeed()
    const reopened = frontend.reopen()
    t.strictSame(events, ['close 1'])
    await bind(1).fail('EADDRNOTAVAIL')
    await reopened
    t.strictSame(frontend.state, { name: 'bind-failed', reason: 'EADDRNOTAVAIL' })
    void frontend.reopen()
    t.equal(clock.pending, 0)
    await bind(2).succeed()
    t.strictSame(frontend.state, { name: 'listening' })
    frontend.pause('descriptors')
    void frontend.reopen()
    await bind(3).succeed()
    t.strictSame(events, ['close 1', 'pause 3', 'close 3', 'pause 4'])
  },
)

void t.test('closed while binding: the socket that arrives is closed', async t => {
  const { frontend, bind, events } = create()
  const settled = frontend.settle()
  frontend.close()
  await bind(0).succeed()
  await settled
  t.strictSame(frontend.state, { name: 'refusing' })
  t.strictSame(events, ['close 1'])
})

void t.test('closed while binding, and the bind fails: nothing is retried', async t => {
  const { frontend, clock, bind } = create()
  const settled = frontend.settle()
  frontend.close()
  await bind(0).fail('EADDRINUSE')
  await settled
  t.strictSame(frontend.state, { name: 'refusing' })
  t.equal(clock.pending, 0)
})

void t.test('closed and wanted again while binding: the socket that arrives is used', async t => {
  const { frontend, binds, bind, events } = create()
  const first = frontend.settle()
  frontend.close()
  const second = frontend.settle()
  t.strictSame(frontend.state, { name: 'binding' })
  await bind(0).succeed()
  await Promise.all([first, second])
  t.strictSame(frontend.state, { name: 'listening' })
  t.equal(binds.length, 1)
  t.strictSame(events, [])
})

void t.test(
  'closed while it waits for a retry: the retry is cancelled, and the next start is fresh',
  async t => {
    const { frontend, clock, bind } = create()
    const settled = frontend.settle()
    await bind(0).fail('EACCES')
    await settled
    frontend.close()
    t.equal(clock.pending, 0)
    const again = frontend.settle()
    await bind(1).succeed()
    await again
    t.strictSame(frontend.state, { name: 'listening' })
  },
)

void t.test('paused before, while and after it is bound', async t => {
  const { frontend, bind, events } = create()
  frontend.pause('descriptors')
  const settled = frontend.settle()
  await bind(0).succeed()
  await settled
  t.strictSame(events, ['pause 1'])
  frontend.resume('descriptors')
  frontend.pause('descriptors')
  frontend.close()
  t.strictSame(events, ['pause 1', 'resume 1', 'pause 1', 'close 1'])
})

void t.test('paused for two reasons: it goes on when both have gone', async t => {
  const { frontend, bind, events } = create()
  const settled = frontend.settle()
  await bind(0).succeed()
  await settled
  frontend.pause('max-connections')
  frontend.pause('descriptors')
  frontend.pause('max-connections')
  frontend.resume('max-connections')
  t.strictSame(events, ['pause 1'])
  frontend.resume('descriptors')
  frontend.resume('descriptors')
  frontend.resume('max-connections')
  t.strictSame(events, ['pause 1', 'resume 1'])
})

void t.test('paused while it is closed: it is paused when it opens again', async t => {
  const { frontend, bind, events, setEndpoints } = create()
  const settled = frontend.settle()
  await bind(0).succeed()
  await settled
  setEndpoints()
  await frontend.settle()
  frontend.pause('max-connections')
  frontend.pause('descriptors')
  frontend.resume('max-connections')
  setEndpoints('127.0.0.1:8080')
  const again = frontend.settle()
  await bind(1).succeed()
  await again
  t.strictSame(events, ['close 1', 'pause 2'])
})

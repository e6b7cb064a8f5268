// One connection's way through its dials, with an engine that does as the test says and a clock that stands still.

import t from 'tap'
import type { Conn, DialFailure, Engine, Relay, RelayEnd } from '../../lib/dataplane/engine.ts'
import { ServiceState } from '../../lib/dataplane/service-state.ts'
import { dialLadderMs, TcpConnection } from '../../lib/dataplane/tcp-connection.ts'
import { formatAddress } from '../../lib/model/address.ts'
import { DialCounter } from '../../lib/ops/dial-times.ts'
import { silentLog } from '../../lib/ops/log.ts'
import { ManualClock } from '../manual-clock.ts'
import { defaultOptions } from './plane-options.ts'
import { tcpService } from './table.ts'

const client = { name: 'client' } as unknown as Conn
const peer = { ip: '10.2.0.1', port: 40_000 }
const upstream = { name: 'upstream' } as unknown as Conn
const [a, b, c] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'] as const

function create(endpoints: readonly string[]) {
  const events: string[] = []
  const clock = new ManualClock()
  const dialTimes = new DialCounter()
  let answer: (failure: DialFailure | null) => void = () => {}
  let end: (end: RelayEnd, sent: Uint8Array | null) => void = () => {}
  const relay: Relay = {
    bytesIn: 10,
    bytesOut: 20,
    buffered: 0,
    halfClosed: false,
    finish: () => events.push('finish'),
    abort: () => end('aborted', null),
  }
  const engine: Partial<Engine> = {
    dialTcp(to, timeoutMs, done) {
      events.push(`dial ${formatAddress(to.ip, to.port)} ${timeoutMs}`)
      answer = failure => done(failure, failure === null ? upstream : null, null)
      return { cancel: () => events.push('cancel') }
    },
    relay(_client, _upstream, _head, done) {
      events.push('relay')
      end = done
      return relay
    },
    reset: conn => events.push(`reset ${conn === client ? 'client' : 'upstream'}`),
  }
  const service = new ServiceState(tcpService('10.9.9.9:80', endpoints), { ...defaultOptions, clock })
  const context = {
    engine: engine as Engine,
    clock,
    log: silentLog,
    earlyRetry: true,
    random: () => 0.5,
    dialTimes,
    onLocalFailure: () => events.push('no descriptor'),
    onClosed: () => events.push('closed'),
  }
  const connection = new TcpConnection(context, service, 'cluster', client, peer)
  connection.start()
  return {
    connection,
    service,
    clock,
    dialTimes: () => dialTimes.times(),
    /** What has happened since the last call. */
    events: () => events.splice(0),
    answer: (failure: DialFailure | null) => answer(failure),
    end: (how: RelayEnd, sent: Uint8Array | null = null) => end(how, sent),
    active: () =>
      endpoints.map(() => service.pick('cluster', peer.ip)?.active ?? 0).reduce((sum, each) => sum + each),
  }
}

void t.test('a timeout goes to the next rung and to another endpoint, round and round', async t => {
  const { events, answer, service, active } = create([a, b, c])
  t.strictSame(events(), [`dial ${a} 250`])
  answer('timeout')
  t.strictSame(events(), [`dial ${b} 500`])
  answer('timeout')
  t.strictSame(events(), [`dial ${c} 1000`])
  answer('timeout')
  t.strictSame(events(), [`dial ${a} 2000`], 'all were slow: the first may be better now')
  answer('timeout')
  t.strictSame(events(), ['reset client', 'closed'])
  t.match(service.counters, { active: 0, dialRetries: 3, dialFailures: 1, failures: { timeout: 1 } })
  t.equal(active(), 0)
})

void t.test('a refusal uses no rung, and the endpoint is not asked again', async t => {
  const { events, answer } = create([a, b])
  answer('refused')
  answer('timeout')
  t.strictSame(events(), [`dial ${a} 250`, `dial ${b} 250`, `dial ${b} 500`])
  answer('refused')
  t.strictSame(events(), ['reset client', 'closed'])
})

void t.test('a failure of this node waits for its rung and then tries again', async t => {
  const { events, answer, clock, service } = create([a, b])
  answer('local')
  t.strictSame(events(), [`dial ${a} 250`, 'no descriptor'])
  clock.advance(dialLadderMs[0] ?? 0)
  t.strictSame(events(), [`dial ${b} 500`])
  answer(null)
  t.strictSame(events(), ['relay'])
  t.match(service.counters, { dialRetries: 1, dialFailures: 0 })
})

void t.test('a node that cannot open anything gives up at the end of the ladder', async t => {
  const { events, answer, clock, service, active } = create([a])
  for (const rung of dialLadderMs) {
    answer('local')
    clock.advance(rung)
  }
  t.strictSame(events().slice(-2), ['reset client', 'closed'])
  t.match(service.counters, { active: 0, dialFailures: 1, failures: { local: 1 } })
  t.equal(active(), 0)
})

void t.test('what is counted as the time of a dial: that of the one which was answered', async t => {
  const { answer, clock, dialTimes } = create([a, b])
  clock.advance(250)
  answer('timeout')
  clock.advance(7)
  answer('refused')
  clock.advance(20)
  answer(null)
  t.equal(dialTimes().totalSeconds, 0.02)
  t.equal(
    dialTimes().counts.reduce((sum, count) => sum + count),
    1,
  )
})

void t.test('no endpoint at all', async t => {
  const { events, service } = create([])
  t.strictSame(events(), ['reset client', 'closed'])
  t.match(service.counters, { active: 0, total: 1, failures: { 'no-endpoints': 1 } })
})

void t.test('aborted while dialing, while waiting and while relaying, each once', async t => {
  const dialing = create([a])
  dialing.connection.abort('shutdown')
  dialing.connection.abort('shutdown')
  t.strictSame(dialing.events(), [`dial ${a} 250`, 'cancel', 'reset client', 'closed'])
  t.equal(dialing.active(), 0)

  const waiting = create([a])
  waiting.answer('local')
  waiting.connection.abort('shutdown')
  waiting.clock.advance(10_000)
  t.strictSame(waiting.events(), [`dial ${a} 250`, 'no descriptor', 'reset client', 'closed'])
  t.equal(waiting.active(), 0)

  const relaying = create([a])
  relaying.answer(null)
  t.equal(relaying.active(), 1)
  t.equal(relaying.connection.bytesOut, 20)
  relaying.connection.abort('shutdown')
  t.strictSame(relaying.events(), [`dial ${a} 250`, 'relay', 'closed'])
  t.equal(relaying.active(), 0)
  t.match(relaying.service.counters, { active: 0, bytesIn: 10, bytesOut: 20 })
  t.equal(relaying.connection.bytesOut, 0, 'counted by the service now')
})

// What the service manager is told, by the lines of its protocol, on a clock that the test moves; and that the lines
// arrive at a real datagram socket, by a path and by an abstract name.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import {
  notifyProgram,
  notifySocket,
  openServiceManager,
  serviceManager,
  type Progress,
  type ServiceManager,
} from '../../lib/ops/service-manager.ts'
import { captureLog, type CapturedLog } from '../control/captured-log.ts'
import { ManualClock } from '../manual-clock.ts'

interface Told {
  readonly manager: ServiceManager
  readonly clock: ManualClock
  readonly log: CapturedLog
  /** The datagrams since the last call, each with its lines in one. */
  readonly take: () => readonly string[]
  readonly setRoom: (room: boolean) => void
}

function tellTest(t: Test, watchdogMs = 0, progress?: () => Progress): Told {
  const clock = new ManualClock()
  const log = captureLog()
  const messages: string[] = []
  let hasRoom = true
  const send = (message: string): boolean => {
    if (hasRoom) messages.push(message.replaceAll('\n', ' '))
    return hasRoom
  }
  const manager = serviceManager({ send, watchdogMs, clock, log })
  t.teardown(() => manager.close())
  if (progress !== undefined) manager.watch(progress)
  return { manager, clock, log, take: () => messages.splice(0), setRoom: room => (hasRoom = room) }
}

void test('ready once, then the line as it changes', async t => {
  let text = 'Serving 1 service'
  const { manager, clock, take } = tellTest(t, 0, () => ({ alive: true, text }))
  clock.advance(0)
  t.strictSame(take(), ['STATUS=Serving 1 service'])
  text = 'Serving 2 services'
  manager.ready()
  manager.ready()
  t.strictSame(take(), ['READY=1 STATUS=Serving 2 services'])
  clock.advance(60_000)
  t.strictSame(take(), [], 'nothing new, nothing told')
  text = 'Serving 3\nservices'
  clock.advance(15_000)
  t.strictSame(take(), ['STATUS=Serving 3 services'], 'a line stays one line')
  manager.close()
  t.equal(clock.pending, 0)
})

void test('a sign of life at half of the time, while there is progress', async t => {
  let alive = true
  const { clock, take } = tellTest(t, 10_000, () => ({ alive, text: 'Serving' }))
  clock.advance(0)
  t.strictSame(take(), ['WATCHDOG=1 STATUS=Serving'])
  clock.advance(15_000)
  t.strictSame(take(), ['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1'])
  alive = false
  clock.advance(20_000)
  t.strictSame(take(), [])
  alive = true
  clock.advance(5000)
  t.strictSame(take(), ['WATCHDOG=1'])
})

void test('a reload begins and ends, also when it fails', async t => {
  const { manager, clock, take } = tellTest(t, 0, () => ({ alive: true, text: 'Serving' }))
  manager.reloading()(null)
  t.strictSame(take(), [], 'nobody waits for a reload before the start is over')
  manager.ready()
  take()
  const before = process.hrtime.bigint() / 1000n
  const first = manager.reloading()
  const [begun = ''] = take()
  const usec = BigInt(/^RELOADING=1 MONOTONIC_USEC=(\d+) STATUS=Reloading$/.exec(begun)?.[1] ?? 0)
  t.ok(usec >= before && usec <= process.hrtime.bigint() / 1000n, begun)
  const second = manager.reloading()
  first('no such file')
  t.strictSame(take(), [], 'another one is under way')
  second('no such file')
  t.strictSame(take(), ['READY=1 STATUS=Serving; the last reload failed: no such file'])
  clock.advance(30_000)
  t.strictSame(take(), [], 'and it stays said')
  manager.reloading()(null)
  t.match(take(), [/^RELOADING=1 /, 'READY=1 STATUS=Serving'])
})

void test('a stop takes as long as connections may', async t => {
  const { manager, clock, take } = tellTest(t, 10_000, () => ({ alive: true, text: 'Serving' }))
  manager.ready()
  take()
  const ended = manager.reloading()
  manager.stopping(25_000)
  manager.stopping(25_000)
  t.match(take(), [
    /^RELOADING=1 /,
    'STOPPING=1 EXTEND_TIMEOUT_USEC=35000000 STATUS=Stopping: connections may end first',
  ])
  ended(null)
  manager.ready()
  t.strictSame(take(), [], 'it is never ready again')
  clock.advance(5000)
  t.strictSame(take(), ['WATCHDOG=1', 'WATCHDOG=1'])
})

void test('what the manager has no room for is told again, in its order', async t => {
  const { manager, clock, log, take, setRoom } = tellTest(t)
  setRoom(false)
  clock.advance(0)
  manager.ready()
  manager.reloading()(null)
  t.strictSame(take(), [])
  setRoom(true)
  clock.advance(200)
  t.match(take(), [/^READY=1/, /^RELOADING=1/, /^READY=1/])
  setRoom(false)
  manager.stopping(0)
  clock.advance(60_000)
  t.match(log.take(), [/^warn the service manager can't be told \(NOTIFY_SOCKET\): STOPPING=1 /], 'once')
  setRoom(true)
  clock.advance(60_000)
  t.notOk(
    take().some(message => message.includes('STOPPING')),
    'given up',
  )
})

void test('the environment', async t => {
  const clock = new ManualClock()
  const log = captureLog()
  const none: NodeJS.ProcessEnv = { WATCHDOG_USEC: '1000000', PATH: '/bin' }
  t.equal(openServiceManager({ env: none, clock, log }), null)
  t.strictSame(none, { PATH: '/bin' })
  t.equal(clock.pending, 0, 'and nothing runs')
  const other = { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '10000000', WATCHDOG_PID: '1', PATH: '/bin' }
  const manager = openServiceManager({ env: other, clock, log })
  t.teardown(() => manager?.close())
  t.strictSame({ ...other }, { PATH: '/bin' }, "a child doesn't speak for its parent")
  clock.advance(0)
  t.strictSame(clock.delays, [15_000], "another process's watchdog")
})

/** Short, as the path of a unix socket has to be. */
function folder(t: Test): string {
  const made = mkdtempSync(path.join(tmpdir(), 'notify-'))
  t.teardown(() => rmSync(made, { recursive: true }))
  return made
}

const noFfi = Number(process.versions.node.split('.')[0]) < 26 && 'needs node:ffi (Node.js 26)'
const noSocat = spawnSync('socat', ['-V']).status !== 0 && 'needs socat'

for (const [kind, address] of [
  ['a path', (at: string) => `${at}/notify.sock`],
  ['an abstract name', () => `@kube-relay-test-${process.pid}`],
] as const) {
  void test(`arrives at ${kind}`, { skip: noFfi || noSocat }, async t => {
    const at = address(folder(t))
    const target = at.startsWith('@') ? `ABSTRACT-RECV:${at.slice(1)}` : `UNIX-RECV:${at}`
    const receiver = spawn('socat', ['-u', '-d', '-d', target, 'STDOUT'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    t.teardown(async () => {
      const ended = once(receiver, 'exit')
      receiver.kill('SIGKILL')
      await ended
    })
    const [said] = (await once(receiver.stderr, 'data')) as [Buffer]
    if (!String(said).includes('starting data transfer')) await once(receiver.stderr, 'data')
    const env = { NOTIFY_SOCKET: at, WATCHDOG_USEC: '10000000', WATCHDOG_PID: String(process.pid) }
    const clock = new ManualClock()
    const manager = openServiceManager({ env, clock, log: captureLog() })
    t.teardown(() => manager?.close())
    manager?.watch(() => ({ alive: true, text: 'Serving – ünïcode' }))
    manager?.ready()
    clock.advance(0)
    let received = ''
    receiver.stdout.setEncoding('utf8').on('data', (text: string) => (received += text))
    while (!received.includes('WATCHDOG=1')) await once(receiver.stdout, 'data')
    t.equal(received, 'READY=1\nSTATUS=Serving – ünïcodeWATCHDOG=1')
  })
}

void test('nobody is there, or the address is no address', { skip: noFfi }, async t => {
  t.equal(notifySocket(`${folder(t)}/nobody.sock`)?.('READY=1'), false)
  t.equal(notifySocket('relative'), null)
  t.equal(notifySocket('vsock:2:1234'), null)
  t.equal(notifySocket(`/${'x'.repeat(107)}`), null, 'too long for sockaddr_un')
})

const noProgram = spawnSync('systemd-notify', ['--version']).status !== 0 && 'needs systemd-notify (systemd)'

void test('by systemd-notify, where libc is out of reach', { skip: noProgram || noSocat }, async t => {
  const at = `${folder(t)}/notify.sock`
  const receiver = spawn('socat', ['-u', '-d', '-d', `UNIX-RECV:${at}`, 'STDOUT'])
  t.teardown(async () => {
    const ended = once(receiver, 'exit')
    receiver.kill('SIGKILL')
    await ended
  })
  await once(receiver.stderr, 'data')
  const log = captureLog()
  const send = notifyProgram(at, log)
  t.equal(send('READY=1\nSTATUS=Serving 1 Service'), true)
  let received = ''
  receiver.stdout.setEncoding('utf8').on('data', (text: string) => (received += text))
  while (!received.includes('STATUS=')) await once(receiver.stdout, 'data')
  t.match(received, /READY=1\nSTATUS=Serving 1 Service/)
  t.strictSame(log.take(), [])
})

void test('what systemd-notify says no to is told once', { skip: noProgram }, async t => {
  const { promise: warned, resolve } = Promise.withResolvers<string>()
  const log = { ...captureLog(), warn: (text: unknown) => resolve(String(text)) }
  notifyProgram(`${folder(t)}/nobody.sock`, log)('READY=1')
  t.match(await warned, /^systemd-notify doesn't work, so the service manager isn't told: it ended with/)
})

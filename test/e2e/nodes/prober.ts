// Asks a server who it is, over TCP or UDP, once or again and again on one connection, and says in one word what became
// of it. An expected failure is a result, never an exception.

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createConnection, type Socket } from 'node:net'
import type { ProbeOptions, ProbeResult, ProbeTarget } from './place-protocol.ts'
import { echoRequest, whoRequest, type Who } from './servers.ts'

const usualTimeoutMs = 10_000

export interface OpenProbe {
  ask(timeoutMs: number): Promise<ProbeResult>
  close(): void
}

/** One request on a connection (UDP: from a socket) of its own. */
export async function probeOnce(target: ProbeTarget, options: ProbeOptions): Promise<ProbeResult> {
  const { timeoutMs = usualTimeoutMs, payloadBytes } = options
  const opened = await openProbe(target, options)
  if ('outcome' in opened) return opened
  try {
    return await (payloadBytes === undefined ? opened.ask(timeoutMs) : opened.echo(payloadBytes, timeoutMs))
  } finally {
    opened.close()
  }
}

interface EchoingProbe extends OpenProbe {
  /** Ends the connection. */
  echo(bytes: number, timeoutMs: number): Promise<ProbeResult>
}

/** A TCP connection, or a UDP socket that keeps its port. */
export async function openProbe(
  target: ProbeTarget,
  options: ProbeOptions,
): Promise<EchoingProbe | ProbeResult> {
  try {
    return await (target.protocol === 'TCP' ? openTcp(target, options) : openUdp(target, options))
  } catch (error) {
    return resultOf(error)
  }
}

async function openTcp({ ip, port }: ProbeTarget, options: ProbeOptions): Promise<EchoingProbe> {
  const { timeoutMs = usualTimeoutMs, localIp, localPort } = options
  const socket = createConnection({
    host: ip,
    port,
    noDelay: true,
    allowHalfOpen: true,
    ...(localIp === undefined ? {} : { localAddress: localIp }),
    ...(localPort === undefined ? {} : { localPort }),
  })
  const input = tcpInput(socket)
  try {
    await within(
      timeoutMs,
      new Promise((resolve, reject) => socket.on('connect', resolve).on('error', reject)),
    )
  } catch (error) {
    socket.destroy()
    throw error
  }
  return {
    ask: waitMs =>
      attempt(async () => {
        socket.write(`${whoRequest}\n`)
        return whoOf(await within(waitMs, input.line()))
      }),
    echo: (bytes, waitMs) =>
      attempt(async () => {
        const payload = randomBytes(bytes)
        socket.write(`${echoRequest}\n`)
        socket.end(payload)
        const who = whoOf(await within(waitMs, input.line()))
        const echoed = await within(waitMs, input.untilEnd())
        return { ...who, intact: echoed.equals(payload) }
      }),
    close: () => {
      socket.end()
      socket.destroySoon()
    },
  }
}

/** What has come on a connection and nobody has taken yet. */
function tcpInput(socket: Socket): { line(): Promise<string>; untilEnd(): Promise<Buffer> } {
  let chunks: Buffer[] = []
  let ended = false
  let failure: unknown
  let wake = (): void => {}
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    wake()
  })
  socket.on('end', () => {
    ended = true
    wake()
  })
  socket.on('error', error => {
    failure ??= error
    wake()
  })
  const news = (): Promise<void> => new Promise(resolve => (wake = resolve))
  return {
    line: async () => {
      for (;;) {
        const all = Buffer.concat(chunks)
        const end = all.indexOf('\n')
        if (end !== -1) {
          chunks = [all.subarray(end + 1)]
          return all.toString('utf8', 0, end)
        }
        if (failure !== undefined) throw failure as Error
        if (ended) throw withCode('EOF', 'ended without an answer')
        await news()
      }
    },
    untilEnd: async () => {
      for (;;) {
        if (ended) return Buffer.concat(chunks)
        if (failure !== undefined) throw failure as Error
        await news()
      }
    },
  }
}

async function openUdp({ ip, port }: ProbeTarget, options: ProbeOptions): Promise<EchoingProbe> {
  const ipv6 = ip.includes(':')
  const { localIp = ipv6 ? '::' : '0.0.0.0', localPort = 0 } = options
  const socket = createSocket({ type: ipv6 ? 'udp6' : 'udp4', ipv6Only: ipv6 })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(localPort, localIp, () => {
        // A connected socket takes answers from the target only, and hears of a closed port.
        socket.connect(port, ip, (error?: Error) => (error === undefined ? resolve() : reject(error)))
      })
    })
  } catch (error) {
    socket.close()
    throw error
  }
  socket.removeAllListeners('error')
  const exchange = async (message: Buffer, timeoutMs: number): Promise<Buffer> => {
    const reply = nextDatagram(socket)
    socket.send(message, error => {
      if (error !== null) reply.fail(error)
    })
    try {
      return await within(timeoutMs, reply.promise)
    } finally {
      reply.forget()
    }
  }
  const ask = async (timeoutMs: number): Promise<ProbeResult> =>
    whoOf((await exchange(Buffer.from(whoRequest), timeoutMs)).toString())
  return {
    ask: timeoutMs => attempt(() => ask(timeoutMs)),
    echo: (bytes, timeoutMs) =>
      attempt(async () => {
        // The same flow, so the same server.
        const who = await ask(timeoutMs)
        const payload = randomBytes(bytes)
        const echoed = await exchange(payload, timeoutMs)
        return { ...who, intact: echoed.equals(payload) }
      }),
    close: () => socket.close(),
  }
}

function nextDatagram(socket: UdpSocket) {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  // Whether anybody still waits for it or not.
  promise.catch(() => {})
  socket.on('message', resolve).on('error', reject)
  const forget = (): void => {
    socket.off('message', resolve).off('error', reject)
    // A late "refused" has no one to go to.
    if (socket.listenerCount('error') === 0) socket.on('error', () => {})
  }
  return { promise, fail: reject, forget }
}

async function attempt(ask: () => Promise<ProbeResult>): Promise<ProbeResult> {
  try {
    return await ask()
  } catch (error) {
    return resultOf(error)
  }
}

function whoOf(answer: string): ProbeResult & { readonly outcome: 'answered' } {
  return { outcome: 'answered', ...(JSON.parse(answer) as Who) }
}

function resultOf(error: unknown): ProbeResult {
  const code = (error as NodeJS.ErrnoException).code ?? String(error)
  switch (code) {
    case 'ECONNREFUSED':
      return { outcome: 'refused' }
    case 'ETIMEDOUT':
      return { outcome: 'timed out' }
    case 'ECONNRESET':
    case 'EPIPE':
      return { outcome: 'reset' }
    case 'EOF':
      return { outcome: 'closed' }
    default:
      return { outcome: 'failed', code }
  }
}

async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(withCode('ETIMEDOUT', `no answer within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}

function withCode(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

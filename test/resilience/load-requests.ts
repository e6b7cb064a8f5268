// Connections that stay open for the whole test, each with a request every so often. One that ends uninvited is
// counted as broken, and replaced, so that the load stays what it was.

import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { endpointOf, requestFrame, responseSize } from './frames.ts'
import {
  answerTimeoutMs,
  clientAddress,
  inTurn,
  keepRunning,
  splitAddress,
  type LoadRun,
  type RequestsLoad,
} from './load.ts'
import { now } from './monotonic.ts'
import { Outcomes } from './outcomes.ts'

export function startRequests(load: RequestsLoad): LoadRun {
  const outcomes = new Outcomes('requests', load.journal === true)
  return keepRunning(outcomes, load.connections, async (n, open, stop) => {
    // Spread over the interval, so that the requests don't come in bursts.
    await pause((load.everyMs * n) / load.connections, stop)
    while (!stop.aborted) {
      await useConnection(load, n, outcomes, open, stop)
      outcomes.forget(String(n))
      await pause(load.everyMs, stop)
    }
  })
}

/** Lives as long as its connection, which ends by the signal only, if all is well. */
async function useConnection(
  load: RequestsLoad,
  n: number,
  outcomes: Outcomes,
  open: Set<string>,
  stop: AbortSignal,
): Promise<void> {
  const to = inTurn(load.to, n)
  const localAddress = clientAddress(n % load.clients)
  const { ip, port } = splitAddress(to)
  const socket = net.connect({ host: ip, port, localAddress, noDelay: true })
  const connectedAt = now()
  let client = ''
  let failure: string | null = null
  let received = Buffer.alloc(0)
  let wake = (): void => {}
  const ended = new AbortController()
  socket.once('connect', () => {
    client = `${localAddress}:${socket.localPort}`
    open.add(client)
  })
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (received.length >= responseSize) wake()
  })
  socket.on('error', (error: NodeJS.ErrnoException) => (failure ??= error.code ?? error.message))
  socket.on('end', () => (failure ??= 'ended by the other side'))
  socket.on('close', () => {
    open.delete(client)
    ended.abort()
    wake()
  })
  const lastsMs = load.lastsMs ?? Infinity
  for (let number = 0; !stop.aborted && !ended.signal.aborted && now() - connectedAt < lastsMs; number++) {
    const startedAt = now()
    const request = requestFrame(process.pid * 1000 + n, number)
    outcomes.send()
    received = Buffer.alloc(0)
    const arrived = new Promise<void>(resolve => (wake = resolve))
    const timer = setTimeout(() => {
      failure ??= 'timeout'
      socket.destroy()
    }, answerTimeoutMs)
    socket.write(request)
    await arrived
    clearTimeout(timer)
    const at = now()
    const endpoint = endpointOf(received, request)
    if (endpoint === null) {
      failure ??= received.length < responseSize ? 'closed' : 'wrong answer'
      outcomes.fail({ reason: failure, at, startedAt, client, to })
      break
    }
    outcomes.answer({ startedAt: connectedAt, to, endpoint }, String(n), at - startedAt)
    await pause(load.everyMs, AbortSignal.any([stop, ended.signal]))
  }
  if (failure !== null && client !== '') {
    outcomes.break({ reason: failure, at: now(), startedAt: connectedAt, client, to })
  }
  open.delete(client)
  socket.removeAllListeners('end')
  socket.destroy()
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}

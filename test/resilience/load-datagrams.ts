// UDP flows: numbered datagrams, each of which must be answered, and each flow by one endpoint. Nothing is sent twice:
// a datagram without an answer is lost, and counted.

import dgram from 'node:dgram'
import { once } from 'node:events'
import { endpointOf, numberOf, requestFrame } from './frames.ts'
import {
  answerTimeoutMs,
  clientAddress,
  inTurn,
  splitAddress,
  type DatagramsLoad,
  type LoadRun,
} from './load.ts'
import { now } from './monotonic.ts'
import { Outcomes } from './outcomes.ts'

export function startDatagrams(load: DatagramsLoad): LoadRun {
  const outcomes = new Outcomes('datagrams', load.journal === true)
  const flows = Array.from({ length: load.flows }, (_, n) => startFlow(load, n, outcomes))
  const ending = new Set<Promise<void>>()
  const renew = (at: number): void => {
    const old = flows[at]
    if (old === undefined) return
    const ended = old.stop().finally(() => ending.delete(ended))
    ending.add(ended)
    flows[at] = startFlow(load, old.n + load.flows, outcomes)
  }
  let next = 0
  const renewal =
    load.lastsMs === undefined
      ? undefined
      : setInterval(() => renew(next++ % load.flows), load.lastsMs / load.flows)
  return {
    outcomes,
    openConnections: () => [],
    async stop() {
      clearInterval(renewal)
      await Promise.all([...ending, ...flows.map(flow => flow.stop())])
    },
  }
}

interface Flow {
  readonly n: number
  stop(): Promise<void>
}

function startFlow(load: DatagramsLoad, n: number, outcomes: Outcomes): Flow {
  const to = inTurn(load.to, n)
  const address = clientAddress(n % load.clients)
  const { ip, port } = splitAddress(to)
  const socket = dgram.createSocket('udp4')
  const pending = new Map<number, { readonly request: Buffer; readonly startedAt: number }>()
  let client = address
  let lastError = 'no answer'
  let next = 0
  let settled = (): void => {}
  socket.on('message', response => {
    const number = numberOf(response)
    const one = pending.get(number)
    if (one === undefined) return
    pending.delete(number)
    const { request, startedAt } = one
    const endpoint = endpointOf(response, request)
    const at = now()
    if (endpoint === null) outcomes.fail({ reason: 'wrong answer', at, startedAt, client, to })
    else outcomes.answer({ startedAt, to, endpoint }, String(n), at - startedAt)
    if (pending.size === 0) settled()
  })
  // ECONNREFUSED, which an earlier datagram's ICMP answer brings: it explains the loss that is found by the timeout.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    lastError = `no answer, and ${error.code ?? error.message}`
  })
  const expire = (limitMs: number): void => {
    const at = now()
    for (const [number, { startedAt }] of pending) {
      if (at - startedAt < limitMs) continue
      pending.delete(number)
      outcomes.fail({ reason: lastError, at, startedAt, client, to })
    }
    if (pending.size === 0) settled()
  }
  const send = (): void => {
    expire(answerTimeoutMs)
    const request = requestFrame(process.pid * 1000 + n, next)
    pending.set(next, { request, startedAt: now() })
    next += 1
    outcomes.send()
    socket.send(request)
  }
  let timer: NodeJS.Timeout | undefined
  const ready = (async () => {
    socket.bind(0, address)
    await once(socket, 'listening')
    socket.connect(port, ip)
    await once(socket, 'connect')
    client = `${address}:${socket.address().port}`
    // Spread over the interval, so that the flows don't send all at once.
    timer = setTimeout(
      () => {
        send()
        timer = setInterval(send, load.everyMs)
      },
      (load.everyMs * (n % load.flows)) / load.flows,
    )
  })()
  return {
    n,
    async stop() {
      await ready
      // Either clears either kind.
      clearTimeout(timer)
      const { promise, resolve } = Promise.withResolvers<void>()
      settled = resolve
      if (pending.size === 0) resolve()
      // A datagram that hasn't been answered after this while isn't on its way any more.
      const last = setTimeout(() => expire(0), 5000)
      await promise
      clearTimeout(last)
      socket.close()
    },
  }
}

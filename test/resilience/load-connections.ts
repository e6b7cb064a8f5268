// New connections at a steady rate: each sends one request, reads the response, and closes. A connection that can't be
// made, is reset, or is answered wrongly is a failure.

import net from 'node:net'
import { endpointOf, requestFrame, responseSize } from './frames.ts'
import {
  answerTimeoutMs,
  clientAddress,
  inTurn,
  splitAddress,
  type ConnectionsLoad,
  type LoadRun,
} from './load.ts'
import { now } from './monotonic.ts'
import { Outcomes } from './outcomes.ts'

const tickMs = 10

export function startConnections(load: ConnectionsLoad): LoadRun {
  const outcomes = new Outcomes('connections', load.journal === true)
  const running = new Set<Promise<void>>()
  let begun = 0
  let due = 0
  const timer = setInterval(() => {
    due += (load.perSecond * tickMs) / 1000
    for (; due >= 1; due--) {
      const one = connectOnce(load, begun++, outcomes).finally(() => running.delete(one))
      running.add(one)
    }
  }, tickMs)
  return {
    outcomes,
    openConnections: () => [],
    async stop() {
      clearInterval(timer)
      await Promise.all(running)
    },
  }
}

function connectOnce(load: ConnectionsLoad, n: number, outcomes: Outcomes): Promise<void> {
  const to = inTurn(load.to, n)
  // Not in step with the targets, so that every client meets every target.
  const localAddress = clientAddress(Math.floor(n / load.to.length) % load.clients)
  const { ip, port } = splitAddress(to)
  const startedAt = now()
  const request = requestFrame(process.pid, n)
  const chunks: Buffer[] = []
  let client = ''
  let failure: string | null = null
  outcomes.send()
  return new Promise(resolve => {
    const socket = net.connect({ host: ip, port, localAddress, noDelay: true })
    const timer = setTimeout(() => {
      failure = 'timeout'
      socket.destroy()
    }, answerTimeoutMs)
    socket.once('connect', () => {
      client = `${localAddress}:${socket.localPort}`
      socket.end(request)
    })
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => (failure ??= error.code ?? error.message))
    socket.on('close', () => {
      clearTimeout(timer)
      const response = Buffer.concat(chunks)
      const endpoint = failure === null ? endpointOf(response, request) : null
      const at = now()
      if (endpoint === null) {
        failure ??= response.length < responseSize ? 'ended without an answer' : 'wrong answer'
        outcomes.fail({ reason: failure, at, startedAt, client, to })
      } else {
        const home = load.sticky === true ? `${localAddress} ${to}` : null
        outcomes.answer({ startedAt, to, endpoint }, home, at - startedAt)
      }
      resolve()
    })
  })
}

// Connects to Services and finds out which endpoint a connection has come to, and when it came there. The endpoints are
// here, too.

import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { formatAddress, type Address } from '../../lib/model/address.ts'
import { RelayError, reasonOf } from '../../lib/model/error.ts'
import { monotonicUs } from './monotonic.ts'
import { liveEndpoints } from './synthetic-cluster.ts'

export interface Arrival {
  /** Which of the live endpoints it is. */
  readonly endpoint: number
  /** When it accepted the connection, on the machine's monotonic clock. */
  readonly atUs: number
}

export interface Probe {
  readonly arrival: Arrival
  /** Connections that failed before it, by reason. */
  readonly failures: Readonly<Record<string, number>>
}

export interface Prober {
  /** Where all the live endpoints listen. */
  readonly port: number
  /**
   * Connects again and again, `everyMs` after the last one, until a connection comes to the endpoint (null: to any).
   *
   * @throws BENCH after `limitMs`.
   */
  until(target: Address, endpoint: number | null, options: ProbeOptions): Promise<Probe>
  close(): void
}

export interface ProbeOptions {
  readonly everyMs: number
  readonly limitMs: number
  readonly signal: AbortSignal
}

/** What a proxy gets to bring one connection to an endpoint: more than its dial ladder takes. */
const connectionLimitMs = 5000

/** A port that is free on one of the addresses may be taken on the other. */
const attempts = 10

export async function startProber(): Promise<Prober> {
  const { servers, port } = await listenOnAll()
  return {
    port,
    async until(target, endpoint, { everyMs, limitMs, signal }) {
      const failures: Record<string, number> = {}
      const deadline = performance.now() + limitMs
      for (;;) {
        try {
          const arrival = await connectTo(target)
          if (endpoint === null || arrival.endpoint === endpoint) return { arrival, failures }
        } catch (error) {
          const reason = (error as NodeJS.ErrnoException).code ?? reasonOf(error)
          failures[reason] = (failures[reason] ?? 0) + 1
        }
        if (performance.now() > deadline) throw tooLate(target, limitMs, failures)
        await delay(everyMs, undefined, { signal })
      }
    },
    close() {
      for (const server of servers) server.close()
    },
  }
}

async function listenOnAll(): Promise<{ readonly servers: readonly net.Server[]; readonly port: number }> {
  for (let attempt = 1; ; attempt++) {
    const servers: net.Server[] = []
    try {
      let port = 0
      for (const [endpoint, host] of liveEndpoints.entries()) {
        const server = serverOf(endpoint)
        servers.push(server)
        server.listen({ host, port })
        await once(server, 'listening')
        port = (server.address() as AddressInfo).port
      }
      return { servers, port }
    } catch (error) {
      for (const server of servers) server.close()
      if (attempt === attempts) {
        throw new RelayError(
          'BENCH',
          `the endpoints ${liveEndpoints.join(' and ')} can't listen: ${reasonOf(error)}`,
          { cause: error },
        )
      }
    }
  }
}

/** Says who it is and when it accepted, and ends the connection. */
function serverOf(endpoint: number): net.Server {
  return net.createServer(socket => {
    const arrival: Arrival = { endpoint, atUs: monotonicUs() }
    socket.on('error', () => {}).end(JSON.stringify(arrival))
    socket.resume()
  })
}

function connectTo(target: Address): Promise<Arrival> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = net.connect({ host: target.ip, port: target.port })
    socket.setTimeout(connectionLimitMs, () => socket.destroy(new Error('no answer in time')))
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    socket.once('end', () => {
      if (text === '') reject(new Error('closed without an answer'))
      else resolve(JSON.parse(text) as Arrival)
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
  })
}

function tooLate(target: Address, limitMs: number, failures: Readonly<Record<string, number>>): RelayError {
  const reasons = Object.entries(failures).map(([reason, count]) => `${reason} ${count} times`)
  return new RelayError(
    'BENCH',
    `${formatAddress(target.ip, target.port)} has not led to the endpoint in ${limitMs / 1000} s` +
      (reasons.length === 0 ? '' : ` (${reasons.join(', ')})`),
  )
}

// Who listens where, asked of the kernel: a look at its tables opens no connection that a proxy would have to bring to
// its server.

import dgram from 'node:dgram'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { formatAddress, type Address } from '../../lib/model/address.ts'
import { RelayError, reasonOf } from '../../lib/model/error.ts'
import type { Route } from '../contestant.ts'

/** TCP_LISTEN and TCP_CLOSE (include/net/tcp_states.h): the latter is what an unconnected UDP socket is in. */
const waiting = { TCP: '0A', UDP: '07' } as const

/** Whether something takes connections (or datagrams) at every route's address. */
export function areListening(routes: readonly Pick<Route, 'protocol' | 'listen'>[]): boolean {
  return routes.every(({ protocol, listen }) => {
    const port = listen.port.toString(16).toUpperCase().padStart(4, '0')
    const own = `${hexOf(listen.ip)}:${port}`
    const wildcards = [`00000000:${port}`, `${'0'.repeat(32)}:${port}`]
    return waitingAt(protocol).some(at => at === own || wildcards.includes(at))
  })
}

function waitingAt(protocol: Route['protocol']): readonly string[] {
  const name = protocol.toLowerCase()
  return [`/proc/net/${name}`, `/proc/net/${name}6`].flatMap(file => {
    // "sl local_address rem_address st …"
    const rows = textOf(file).split('\n').slice(1)
    return rows.flatMap(row => {
      const [, local = '', , state] = row.trim().split(/\s+/)
      return state === waiting[protocol] ? [local] : []
    })
  })
}

/** An IPv4 address as /proc/net has it: a 32-bit number in the byte order of a little-endian machine. */
function hexOf(ip: string): string {
  const bytes = ip.split('.').map(Number).toReversed()
  return bytes.map(byte => byte.toString(16).toUpperCase().padStart(2, '0')).join('')
}

/** @throws BENCH that names the first address that something else has, or that can't be had at all. */
export async function failUnlessFree(name: string, routes: readonly Route[]): Promise<void> {
  for (const { protocol, listen } of routes) {
    const error = await bindError(protocol, listen)
    if (error === null) continue
    const address = `${formatAddress(listen.ip, listen.port)}/${protocol}`
    const { code } = error as NodeJS.ErrnoException
    const remedy =
      code === 'EADDRINUSE'
        ? 'end what listens there, or let the benchmark choose a free port'
        : reasonOf(error)
    throw new RelayError('BENCH', `${name} can't listen on ${address} (${code ?? 'failed'}): ${remedy}`, {
      cause: error,
    })
  }
}

function bindError(protocol: Route['protocol'], at: Address): Promise<unknown> {
  return new Promise(resolve => {
    if (protocol === 'TCP') {
      const server = net.createServer().once('error', resolve)
      server.listen({ host: at.ip, port: at.port, exclusive: true }, () => server.close(() => resolve(null)))
    } else {
      const socket = dgram.createSocket('udp4').once('error', error => {
        socket.close()
        resolve(error)
      })
      socket.bind({ address: at.ip, port: at.port, exclusive: true }, () => socket.close(() => resolve(null)))
    }
  })
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

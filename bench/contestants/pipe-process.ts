// The proxy of the contestant "pipe". Several of these share an address (SO_REUSEPORT). Options beside those of a first
// try are what every contestant gets: noDelay, keep-alive, half-open connections, a backlog.

import net from 'node:net'
import { parseAddress, type Address } from '../../lib/model/address.ts'

const socketOptions = { allowHalfOpen: true, noDelay: true, keepAlive: true } as const

/** `args`: LISTEN SERVER, again for each route, as IP:PORT. Serves until the process is ended; rejects if it can't. */
export async function runPipe(args: readonly string[]): Promise<never> {
  const addresses = args.map(parseAddress)
  const failed: Promise<never>[] = []
  for (let at = 0; at + 1 < addresses.length; at += 2) {
    failed.push(servePipe(addresses[at] as Address, addresses[at + 1] as Address))
  }
  return await Promise.race([new Promise<never>(() => {}), ...failed])
}

function servePipe(listen: Address, server: Address): Promise<never> {
  const listener = net.createServer(socketOptions, client => {
    const upstream = net.connect({ ...socketOptions, host: server.ip, port: server.port })
    client.pipe(upstream)
    upstream.pipe(client)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
  })
  listener.listen({ host: listen.ip, port: listen.port, backlog: 4096, reusePort: true })
  return new Promise((_, reject) => listener.on('error', reject))
}

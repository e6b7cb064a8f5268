// Whether an address is free for a TCP listener that shares it with other agents' (SO_REUSEPORT), found out by opening
// one for a moment.

import net from 'node:net'
import type { Address } from '../model/address.ts'

/** The error of the attempt, or null if it went well. */
export async function tryBind(at: Address): Promise<unknown> {
  const server = net.createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: at.ip, port: at.port, reusePort: true }, resolve)
    })
    return null
  } catch (error) {
    return error
  } finally {
    server.close()
  }
}

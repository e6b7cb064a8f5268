// Ports for contestants to listen on. They are sought on an address that no client connects from, so that none of them
// is taken as the local port of a connection before the contestant has it.

import dgram from 'node:dgram'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import type { Address } from '../../lib/model/address.ts'

/** Contestants listen here; the benchmark's own server is on the other one. */
export const proxyIp = '127.77.0.1'
export const serverIp = '127.78.0.1'

export async function freeAddress(protocol: 'TCP' | 'UDP'): Promise<Address> {
  if (protocol === 'UDP') {
    const socket = dgram.createSocket('udp4')
    socket.bind(0, proxyIp)
    await once(socket, 'listening')
    const { port } = socket.address()
    socket.close()
    await once(socket, 'close')
    return { ip: proxyIp, port }
  }
  const server = net.createServer().listen(0, proxyIp)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return { ip: proxyIp, port }
}

// An endpoint that doesn't answer at all, without netfilter and without leaving the machine: a listening socket
// whose accept queue is full. Linux drops every further SYN to it without a word (tcp_conn_request).

import { once } from 'node:events'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Test } from 'tap'
import { formatAddress, parseAddress } from '../../lib/model/address.ts'
import { ownIp } from './addresses.ts'

/** How long a connect must hang to prove that the queue is full. A false alarm only adds one more connection. */
const hangsMs = 300

/** Returns the address ("ip:port") of an endpoint that swallows connection attempts until the test is over. */
export async function startBlackHole(t: Test): Promise<string> {
  const worker = new Worker(new URL('./black-hole-listener.ts', import.meta.url), { workerData: ownIp() })
  t.teardown(() => worker.terminate())
  const [address] = (await once(worker, 'message')) as [net.AddressInfo]
  const target = formatAddress(address.address, address.port)
  while (await connects(t, target));
  return target
}

/** Connects and stays connected, or stays at trying. */
function connects(t: Test, target: string): Promise<boolean> {
  const { ip, port } = parseAddress(target)
  const socket = net.connect({ host: ip, port })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(false), hangsMs)
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

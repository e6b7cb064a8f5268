// TCP keep-alive, for connections that live long enough to need it. It takes four system calls for each socket, and most
// connections are over before a probe could ever be due: so it is set a little later, for those that are still there.

import type { Socket } from 'node:net'
import { Bag } from '../../../model/bag.ts'

/**
 * A dead peer behind a lost network is found after this idle time plus ten probes a second apart (libuv's
 * defaults). Kubernetes sets none for kube-proxy; five minutes keeps state bounded and wakes no idle link often.
 */
const initialDelayMs = 300_000

/** A connection gets its keep-alive at this age at the latest. */
const lookEveryMs = 30_000

type Pair = readonly [Socket, Socket]

let young = new Bag<Pair>()
let timer: NodeJS.Timeout | null = null

/** Probes both sockets from some time on. The caller calls the function that it gets when both are closed. */
export function keepAliveLater(pair: Pair): () => void {
  const bag = young
  const place = bag.add(pair)
  timer ??= setTimeout(look, lookEveryMs).unref()
  return () => bag.remove(place)
}

function look(): void {
  const grown = young
  young = new Bag()
  timer = null
  for (const pair of grown) {
    for (const socket of pair) if (!socket.destroyed) socket.setKeepAlive(true, initialDelayMs)
  }
}

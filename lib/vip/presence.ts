// How the agents of one node know of each other: each holds an abstract Unix socket, whose name everyone can
// read in /proc/net/unix and which vanishes with its process, however that ends. Such names are of one
// network, as VIPs are. Another one is a lock: a name that only one can hold.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import type { Clock } from '../ops/clock.ts'

export interface Presence {
  /**
   * Whether no other agent of this network is there. One that comes can't do anything while the lock is held.
   */
  isAlone(): Promise<boolean>
  /** Takes the lock; null if somebody else has kept it for all of the time. */
  lock(patienceMs: number): Promise<HeldLock | null>
  close(): Promise<void>
}

export interface HeldLock {
  release(): Promise<void>
}

const prefix = 'kube-relay/vips/'

/**
 * As long as such a name can be (sun_path has 108 bytes): Node.js 20 fills up a shorter one with NULs, and
 * that would be another name than ours.
 */
const lockName = 'kube-relay/vips.lock'.padEnd(107, '.')

const retryMs = 50

/** @throws if the name can't be had, as without descriptors. */
export async function announcePresence(clock: Clock): Promise<Presence> {
  const name = `${prefix}${randomUUID()}`
  const socket = await hold(name)
  return {
    isAlone: async () => presentNames().every(each => each === name),
    lock: async patienceMs => {
      // The clock's timers don't keep a process alive that is about to end, and has to clear away first.
      socket.ref()
      try {
        return await takeLock(clock, patienceMs)
      } finally {
        socket.unref()
      }
    },
    close: () => letGo(socket),
  }
}

async function takeLock(clock: Clock, patienceMs: number): Promise<HeldLock | null> {
  const until = clock.now() + patienceMs
  for (;;) {
    try {
      const socket = await hold(lockName)
      return { release: () => letGo(socket) }
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EADDRINUSE') throw error
      if (clock.now() >= until) return null
      await new Promise<void>(resolve => {
        clock.after(retryMs, resolve)
      })
    }
  }
}

function hold(name: string): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer(client => client.destroy())
    server.unref()
    server.on('error', reject)
    server.listen(`\0${name}`, () => resolve(server))
  })
}

function letGo(server: net.Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
  })
}

/**
 * Read at once: /proc/net is the main thread's network, which would be another one for a thread that reads while a listener
 * is opened in a namespace.
 */
function presentNames(): readonly string[] {
  const text = readFileSync('/proc/net/unix', 'utf8')
  return [...text.matchAll(/ @(kube-relay\/vips\/[^\s@]+)@*$/gm)].map(([, name = '']) => name)
}

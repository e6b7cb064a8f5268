// A data plane in a process of its own, with as few descriptors as the test wants. What it is told and asked
// comes by IPC, one answer for each message.

import { closeSync, openSync } from 'node:fs'
import { LocalDataPlane } from '../../lib/dataplane/local-data-plane.ts'
import type { TableUpdate } from '../../lib/model/proxy-table.ts'
import { engineNamed } from './engines.ts'
import { defaultOptions } from './plane-options.ts'

export type PlaneRequest =
  | { readonly type: 'apply'; readonly update: TableUpdate }
  | { readonly type: 'status' }
  | { readonly type: 'drain'; readonly timeoutMs: number | null }
  | { readonly type: 'prepare-hand-over' }
  | { readonly type: 'members'; readonly own: number; readonly members: readonly number[] }
  /** The memory of the process, in bytes, after a garbage collection where that can be asked for. */
  | { readonly type: 'memory' }
  /** Opens files until only this many descriptors are left; negative: closes all of them again. */
  | { readonly type: 'eat'; readonly left: number }
  /** CPU seconds spent so far. */
  | { readonly type: 'cpu' }

const plane = new LocalDataPlane({ ...defaultOptions, engine: engineNamed(process.env['ENGINE']) })
const eaten: number[] = []

process.on('message', (request: PlaneRequest) => {
  void Promise.resolve(handle(request)).then(answer => process.send?.(answer ?? null))
})
process.on('disconnect', () => process.exit())

function handle(request: PlaneRequest): unknown {
  if (request.type === 'apply') return plane.apply(request.update)
  if (request.type === 'status') return plane.status()
  if (request.type === 'drain') return plane.drain(request.timeoutMs)
  if (request.type === 'prepare-hand-over') return plane.prepareHandOver()
  if (request.type === 'members') return plane.setMembers(request.own, request.members)
  if (request.type === 'memory') return memory()
  if (request.type === 'eat') return eat(request.left)
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function memory(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}

/** Returns how many are eaten. */
function eat(left: number): number {
  if (left < 0) {
    for (const fd of eaten.splice(0)) closeSync(fd)
    return 0
  }
  try {
    for (;;) eaten.push(openSync('/dev/null', 'r'))
  } catch {
    for (const fd of eaten.splice(eaten.length - left)) closeSync(fd)
  }
  return eaten.length
}

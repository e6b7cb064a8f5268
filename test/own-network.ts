// A network of a test's own: namespaces are per thread, so this process's main thread enters a new one, and
// so does every process that it starts. Sysctls can be set there, fixed ports are free, /proc/net shows
// nobody else's sockets, and nothing leads out of it.

import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const cloneNewNet = 0x40000000

type Unshare = (flags: number) => number

/** Why there can be no network of one's own here; null where there can. */
export function missingForOwnNetwork(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are Linux only'
  if (process.getuid?.() !== 0) return 'needs root, to make a network namespace: run the tests in a container'
  if (spawnSync('ip', ['-V']).status !== 0) return 'needs ip, to make addresses: install iproute2'
  return unshareFunction() === null ? 'needs node:ffi (Node.js 26), to enter a network namespace' : null
}

/** Enters a new network, with loopback up and the kernel's own defaults. */
export function enterOwnNetwork(): void {
  const unshare = unshareFunction()
  if (unshare === null || unshare(cloneNewNet) !== 0) {
    throw new Error('a network namespace could not be made: is this a container without CAP_SYS_ADMIN?')
  }
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
}

let unshare: Unshare | null | undefined

function unshareFunction(): Unshare | null {
  unshare ??= loadUnshare()
  return unshare
}

function loadUnshare(): Unshare | null {
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as {
      dlopen(path: null, functions: object): { functions: { unshare: Unshare } }
    }
    return ffi.dlopen(null, { unshare: { arguments: ['int32'], return: 'int32' } }).functions.unshare
  } catch {
    return null
  }
}

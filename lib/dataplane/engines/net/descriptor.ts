// dup(2), for the one thing that node:net can't do: stop accepting while the kernel goes on queueing. A second
// descriptor of the listening socket keeps it open (and its backlog filling) after the server is closed; a new
// server takes it over later. It needs node:ffi, which Node 26 has and Node 24 doesn't; null where it is missing.

import { createRequire } from 'node:module'

type Dup = (fd: number) => number

let dup: Dup | null | undefined

/** dup(2) of this process's libc, or null where Node can't call it. Returns -1 on failure, as dup does. */
export function dupFunction(): Dup | null {
  dup ??= loadDup()
  return dup
}

function loadDup(): Dup | null {
  try {
    // Loaded on first use: the module prints an experimental warning, which nobody should see who never runs
    // out of descriptors.
    const ffi = createRequire(import.meta.url)('node:ffi') as {
      dlopen(path: null, functions: object): { functions: { dup: Dup } }
    }
    return ffi.dlopen(null, { dup: { arguments: ['int32'], return: 'int32' } }).functions.dup
  } catch {
    return null
  }
}

// dup(2), for the one thing that node:net can't do: stop accepting while the kernel goes on queueing. A second
// descriptor of the listening socket keeps it open (and its backlog filling) after the server is closed; a new
// server takes it over later. It needs node:ffi, which Node 26 has and Node 24 doesn't; null where it is missing.

import { closeSync, openSync } from 'node:fs'
import { libcFunction } from '../../../ops/libc.ts'

type Dup = (fd: number) => number

let dup: Dup | null | undefined

/** Kept open to have one when there is none left, which is exactly when listeners have to be paused. */
let spare: number | null = null

/** dup(2) of this process's libc, or null where Node can't call it. Returns -1 on failure, as dup does. */
function dupFunction(): Dup | null {
  if (dup === undefined) dup = libcFunction('dup', 1)
  return dup
}

/** Opens the spare descriptor, unless it is open or can't be. */
export function keepSpareDescriptor(): void {
  try {
    spare ??= openSync('/dev/null', 'r')
  } catch {
    // The next call may have more luck; without a spare, pausing may turn into shedding.
  }
}

/** A second descriptor of the same open file, or null where Node can't make one. The caller closes it. */
export function duplicate(fd: number): number | null {
  const dup = dupFunction()
  if (dup === null) return null
  let copy = dup(fd)
  if (copy < 0 && spare !== null) {
    closeSync(spare)
    spare = null
    copy = dup(fd)
  }
  return copy < 0 ? null : copy
}

/** Whether `duplicate` works here at all, descriptors permitting. */
export function canDuplicate(): boolean {
  return dupFunction() !== null
}

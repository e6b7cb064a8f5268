// Another network namespace for the length of one synchronous function (setns(2)): a socket belongs to the namespace
// that its thread was in when it was opened. Invariant: the event loop never runs in another namespace than the process's
// own; if the way back fails, the process dies on the spot, because everything that it opened from then on would be in
// the wrong network.

import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { reasonOf, RelayError } from '../../../model/error.ts'
import { libcFunction } from '../../../ops/libc.ts'

const cloneNewNet = 0x40000000

interface Namespace {
  readonly fd: number
  /** Grows with each namespace that this process comes to know. */
  readonly number: number
}

/**
 * By path, for the whole life of the process. While one is open here, the kernel gives its inode number to no other, and
 * somebody who finds the name gone can find the namespace (/proc/PID/fd).
 */
const opened = new Map<string, Namespace>()
let known = 0

/** The one to come back to. */
let home: number | null = null

let setns: ReturnType<typeof libcFunction> | undefined
/** _exit(2), which nothing can hold up. */
let exitAtOnce: ReturnType<typeof libcFunction> | undefined
/** What a process that is ended by SIGKILL is reported with. */
const killedCode = 137

/**
 * Calls `work` in the namespace at the path (null: where we are) and returns what it returns. What it does must be
 * done when it returns.
 * @throws VIP where the namespace can't be entered, with the cause and a remedy; and whatever `work` throws.
 */
export function inNamespace<T>(path: string | null, work: () => T): T {
  if (path === null) return work()
  setns ??= libcFunction('setns', 2)
  exitAtOnce ??= libcFunction('_exit', 1)
  if (setns === null) throw unenterable(path, 'it takes node:ffi, which Node.js 26 has', undefined)
  home ??= openOrThrow('/proc/thread-self/ns/net', path)
  const { fd } = find(path)
  if (setns(fd, cloneNewNet) !== 0) throw unenterable(path, 'it takes CAP_SYS_ADMIN', undefined)
  try {
    return work()
  } finally {
    if (setns(home, cloneNewNet) !== 0) dieIn(path)
  }
}

/** Changes when another namespace is found at the path. null: there has been none yet. */
export function namespaceNumber(path: string): number | null {
  try {
    return find(path).number
  } catch {
    return opened.get(path)?.number ?? null
  }
}

/** The namespace at the path; if nothing is there now, the one that was: its name may come back. */
function find(path: string): Namespace {
  const before = opened.get(path)
  if (before !== undefined && isStillAt(path, before.fd)) return before
  return open(path, before)
}

function isStillAt(path: string, fd: number): boolean {
  const named = statSync(path, { throwIfNoEntry: false })
  if (named === undefined) return true
  const ours = fstatSync(fd)
  return named.ino === ours.ino && named.dev === ours.dev
}

function open(path: string, before: Namespace | undefined): Namespace {
  const fd = openOrThrow(path, path)
  // The file on which a namespace is mounted stays when it is unmounted.
  if (fstatSync(fd).dev !== statSync('/proc/thread-self/ns/net').dev) {
    closeSync(fd)
    if (before !== undefined) return before
    throw unenterable(path, 'no network namespace is mounted there', undefined)
  }
  const namespace = { fd, number: ++known }
  opened.set(path, namespace)
  if (before !== undefined) closeSync(before.fd)
  return namespace
}

function openOrThrow(file: string, path: string): number {
  try {
    return openSync(file, 'r')
  } catch (error) {
    throw unenterable(path, reasonOf(error), error)
  }
}

function unenterable(path: string, why: string, cause: unknown): RelayError {
  return new RelayError('VIP', `cannot enter the network namespace ${path}: ${why}`, { cause })
}

/** No exception: somebody might catch it, and go on in the wrong network. */
function dieIn(path: string): void {
  try {
    writeSync(2, `kube-relay: cannot leave the network namespace ${path}: ending process ${process.pid}\n`)
  } finally {
    process.kill(process.pid, 'SIGKILL')
    // The first process of a container doesn't die of that.
    exitAtOnce?.(killedCode)
  }
}

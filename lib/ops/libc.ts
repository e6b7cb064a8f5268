// Functions of this process's libc, for the little that Node can't do by itself. They are called by node:ffi, which
// Node 26 has and Node 24 doesn't.

import { createRequire } from 'node:module'

type IntFunction = (...args: number[]) => number

interface Ffi {
  dlopen(path: null, functions: object): { functions: Record<string, IntFunction> }
}

/** A function that takes and returns ints; null where Node can't call it. */
export function libcFunction(name: string, argumentCount: number): IntFunction | null {
  try {
    const signature = { arguments: Array.from({ length: argumentCount }, () => 'int32'), return: 'int32' }
    return loadFfi().dlopen(null, { [name]: signature }).functions[name] ?? null
  } catch {
    return null
  }
}

/** Without the warning that it is experimental, which tells the reader of a log nothing to do. */
function loadFfi(): Ffi {
  const emitWarning = Object.getOwnPropertyDescriptor(process, 'emitWarning') ?? {}
  process.emitWarning = () => {}
  try {
    return createRequire(import.meta.url)('node:ffi') as Ffi
  } finally {
    Object.defineProperty(process, 'emitWarning', emitWarning)
  }
}

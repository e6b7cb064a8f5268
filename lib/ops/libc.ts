// Functions of this process's libc, for the little that Node can't do by itself. They are called by node:ffi, which
// Node 26 has and Node 24 doesn't.

import { createRequire } from 'node:module'

type IntFunction = (...args: number[]) => number
type Argument = number | bigint | NodeJS.ArrayBufferView
type ArgumentType = 'int32' | 'uint32' | 'uint64' | 'pointer'

interface Ffi {
  dlopen(path: null, functions: object): { functions: Record<string, (...args: Argument[]) => number> }
}

/** A function that takes and returns ints; null where Node can't call it. */
export function libcFunction(name: string, argumentCount: number): IntFunction | null {
  return typedLibcFunction(
    name,
    Array.from({ length: argumentCount }, () => 'int32'),
  )
}

/** One that takes others as well (uint64 as a bigint, pointer as a buffer) and returns an int. */
export function typedLibcFunction(
  name: string,
  types: readonly ArgumentType[],
): ((...args: Argument[]) => number) | null {
  try {
    const signature = { arguments: types, return: 'int32' }
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

// JSON patch, RFC 6902, by the library rfc6902. The library looks paths up through prototypes, so every path is first
// walked here, over own members only: no path of a client's may name anything else.

import { applyPatch as applyOperations, type Operation } from 'rfc6902'
import { badRequest, inapplicablePatch, tooLarge } from '../kinds/status.ts'
import { isMapping } from './patch-schema.ts'

/** The real server's limit. */
const maxOperations = 10_000
/** How much all copies of one patch may add, so that a short patch can't make a huge object. */
const maxCopiedChars = 3 * 1024 * 1024
const operations = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test'])
/** The library passes these over; no field of any kind has such a name. */
const reserved = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * What `target` becomes; it isn't changed. Throws 400 for what is no JSON patch, 422 for an operation that can't be
 * done or a test that fails, and 413 for more than a patch may hold.
 */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: a JSON patch is a list of operations')
  if (patch.length > maxOperations) {
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`)
  }
  const document = { root: structuredClone(target) }
  let copiedChars = 0
  patch.forEach((operation: unknown, i) => {
    const { op: asked, path, from, ...rest } = checkedOperation(operation, i)
    const source = asked === 'move' || asked === 'copy' ? lookUp(document.root, from, i).value : undefined
    const { exists } = lookUp(document.root, path, i, asked !== 'remove')
    // The real server replaces, and tests for null, also a member that isn't there.
    if (asked === 'test' && !exists && rest.value === null) return
    const op = asked === 'replace' && !exists ? 'add' : asked
    if (op === 'copy') {
      copiedChars += JSON.stringify(source).length
      if (copiedChars > maxCopiedChars) {
        throw inapplicablePatch(`${nameOf(op, path, i)} copies more than ${maxCopiedChars} bytes in all`)
      }
    }
    // One level down, so that a path of "" is a member like any other.
    const rooted = { op, path: `/root${path}`, from: `/root${from}`, ...rest } as Operation
    const [error] = applyOperations(document, [rooted])
    if (!error) return
    const why = op === 'test' ? 'the value is another one' : 'there is no such place'
    throw inapplicablePatch(`${nameOf(op, path, i)}: ${why}`)
  })
  return document.root
}

interface CheckedOperation {
  readonly op: string
  readonly path: string
  /** "" where the operation has none. */
  readonly from: string
  readonly value?: unknown
}

function checkedOperation(operation: unknown, i: number): CheckedOperation {
  if (!isMapping(operation)) throw badRequest(`error decoding patch: operation ${i} is no mapping`)
  const { op, path, from, value } = operation
  if (typeof op !== 'string' || !operations.has(op)) {
    const known = [...operations].join(', ')
    throw inapplicablePatch(`operation ${i} has an unknown op ${JSON.stringify(op)}: there are ${known}`)
  }
  if (typeof path !== 'string') throw inapplicablePatch(`operation ${i} (${op}) needs a path`)
  if (path === '') throw inapplicablePatch(`operation ${i} (${op}) is about the object as a whole`)
  const movesFrom = op === 'move' || op === 'copy'
  if (movesFrom && typeof from !== 'string') throw inapplicablePatch(`operation ${i} (${op}) needs a from`)
  if (op === 'move' && path.startsWith(`${String(from)}/`)) {
    throw inapplicablePatch(`${nameOf(op, path, i)}: nothing can be moved into itself`)
  }
  const valued = op === 'add' || op === 'replace' || op === 'test'
  // A value that is missing is null, as with the real server.
  return {
    op,
    path,
    from: movesFrom ? String(from) : '',
    ...(valued ? { value: value === undefined ? null : value } : {}),
  }
}

interface Place {
  readonly exists: boolean
  readonly value?: unknown
}

/** What is at a path; unless it may be new, it exists, and what is around it exists in any case. Throws a 422. */
function lookUp(root: unknown, pointer: string, i: number, mayBeNew = false): Place {
  if (pointer === '') return { exists: true, value: root }
  if (!pointer.startsWith('/'))
    throw inapplicablePatch(`operation ${i}: path "${pointer}" needs a "/" before it`)
  const steps = pointer
    .slice(1)
    .split('/')
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  let value = root
  for (const [depth, step] of steps.entries()) {
    const isContainer = isMapping(value) || (Array.isArray(value) && /^(-|0|[1-9]\d*)$/.test(step))
    const isMember = isContainer && !reserved.has(step) && Object.hasOwn(value as object, step)
    if (!isMember) {
      const isNew = mayBeNew && isContainer && !reserved.has(step) && depth === steps.length - 1
      if (isNew) return { exists: false }
      throw inapplicablePatch(`operation ${i}: path "${pointer}" doesn't exist`)
    }
    value = (value as Readonly<Record<string, unknown>>)[step]
  }
  return { exists: true, value }
}

function nameOf(op: string, path: string, i: number): string {
  return `operation ${i} (${op} "${path}")`
}

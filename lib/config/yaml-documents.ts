// YAML (JSON is YAML, too) as plain values that remember where they stand, so that a complaint about any of them can
// name the line. Whatever the text is, reading it never throws.

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Document,
  type Node,
} from 'yaml'
import { reasonOf } from '../model/error.ts'
import type { Path } from '../model/schema.ts'

/** From 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One document of a text, as plain values. */
export interface YamlDocument {
  readonly value: unknown
  /** Where a value stands; the nearest one around it where it doesn't exist. */
  readonly locate: (path: Path) => Position
}

export interface YamlProblem extends Position {
  readonly message: string
}

export interface YamlText {
  /** Those that can be read and aren't empty. */
  readonly documents: readonly YamlDocument[]
  /** At most one a document. */
  readonly problems: readonly YamlProblem[]
}

export function readYaml(text: string): YamlText {
  const documents: YamlDocument[] = []
  const problems: YamlProblem[] = []
  const lines = new LineCounter()
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  let parsed: readonly Document.Parsed[]
  try {
    const options = { lineCounter: lines, prettyErrors: false, merge: true, logLevel: 'silent' } as const
    // With text that holds no document at all, the result is an empty list of another type.
    parsed = parseAllDocuments(text, options) as readonly Document.Parsed[]
  } catch (error) {
    // Nested more deeply than any honest document: the parser's stack has an end.
    return { documents, problems: [{ ...at(0), message: oneLine(reasonOf(error)) }] }
  }
  for (const document of parsed) {
    const [error] = document.errors
    if (error) {
      // Only the first: the others mostly follow from it.
      const duplicate =
        error.code === 'DUPLICATE_KEY' ? /^\s*"?([^\s":]+)/.exec(text.slice(error.pos[0])) : null
      const message = duplicate
        ? `duplicate key ${duplicate[1]}`
        : `YAML syntax error: ${oneLine(error.message)}`
      problems.push({ ...at(error.pos[0]), message })
      continue
    }
    try {
      const value: unknown = document.toJS()
      if (value === null || value === undefined) continue
      documents.push({ value, locate: path => at(offsetOf(document, path)) })
    } catch (error_) {
      // More aliases than any honest document has, or one that points nowhere.
      problems.push({ ...at(document.range[0]), message: oneLine(reasonOf(error_)) })
    }
  }
  return { documents, problems }
}

function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents
  let offset = document.contents?.range?.[0] ?? document.range[0]
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
      if (!pair) break
      // The key's line, not the value's: a block value begins below its key.
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      const item = node.items[Number(step)] as Node | undefined
      if (!item) break
      offset = item.range?.[0] ?? offset
      node = item
    } else break
  }
  return offset
}

function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, ' ')
}

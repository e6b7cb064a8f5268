// Finds manifest files and reads them as YAML (JSON is YAML, too), keeping where each value stands, so that every
// complaint can name file and line. Nothing here knows what the documents mean.

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
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
import type { Path } from './schema.ts'

export interface ManifestProblem {
  /** `skipped`: a document of a kind that has no meaning here; everything is in order otherwise. */
  readonly level: 'error' | 'skipped'
  /** The path as it was found: the folder as given, then what is below it. */
  readonly file: string
  /** From 1; absent where the problem is the file itself. */
  readonly line?: number
  readonly column?: number
  readonly message: string
}

/** One document of a file, as plain values. */
export interface ManifestDocument {
  readonly file: string
  readonly value: unknown
  /** Where a value stands; the nearest one around it where it doesn't exist. */
  readonly locate: (path: Path) => { readonly line: number; readonly column: number }
}

export interface ManifestFiles {
  readonly files: readonly string[]
  readonly documents: readonly ManifestDocument[]
  readonly problems: readonly ManifestProblem[]
}

/** "examples/x.yaml:7: unknown field spec.types, did you mean spec.type?" */
export function formatManifestProblem({ file, line, message }: ManifestProblem): string {
  return line === undefined ? `${file}: ${message}` : `${file}:${line}: ${message}`
}

/** Reads a folder's *.yaml, *.yml and *.json, those in its subfolders included, or one file. */
export async function readManifests(path: string): Promise<ManifestFiles> {
  const problems: ManifestProblem[] = []
  const documents: ManifestDocument[] = []
  const files = await findFiles(path, problems)
  for (const file of files) {
    try {
      readDocuments(file, await readFile(file, 'utf8'), documents, problems)
    } catch (error) {
      problems.push({ level: 'error', file, message: `can't be read (${reasonOf(error)})` })
    }
  }
  return { files, documents, problems }
}

async function findFiles(path: string, problems: ManifestProblem[]): Promise<readonly string[]> {
  const files: string[] = []
  const visit = async (folder: string): Promise<void> => {
    const names = await readdir(folder)
    for (const name of names.sort()) {
      // A mounted ConfigMap keeps its files once more in folders whose names begin with two dots.
      if (name.startsWith('.')) continue
      const inner = join(folder, name)
      try {
        const info = await stat(inner)
        if (info.isDirectory()) await visit(inner)
        else if (/\.(ya?ml|json)$/.test(name)) files.push(inner)
      } catch (error) {
        problems.push({ level: 'error', file: inner, message: `can't be read (${reasonOf(error)})` })
      }
    }
  }
  try {
    if ((await stat(path)).isDirectory()) await visit(path)
    else files.push(path)
  } catch (error) {
    problems.push({ level: 'error', file: path, message: `can't be read (${reasonOf(error)})` })
  }
  return files
}

function readDocuments(
  file: string,
  text: string,
  documents: ManifestDocument[],
  problems: ManifestProblem[],
): void {
  const lines = new LineCounter()
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  // With text that holds no document at all, the result is an empty list of another type.
  const parsed = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    logLevel: 'silent',
  })
  for (const document of parsed as readonly Document.Parsed[]) {
    const [error] = document.errors
    if (error) {
      // Only the first: the others mostly follow from it.
      const duplicate =
        error.code === 'DUPLICATE_KEY' ? /^\s*"?([^\s":]+)/.exec(text.slice(error.pos[0])) : null
      const message = duplicate
        ? `duplicate key ${duplicate[1]}`
        : `YAML syntax error: ${oneLine(error.message)}`
      problems.push({ level: 'error', file, ...at(error.pos[0]), message })
      continue
    }
    try {
      const value: unknown = document.toJS()
      if (value === null || value === undefined) continue
      documents.push({ file, value, locate: path => at(offsetOf(document, path)) })
    } catch (error_) {
      // More aliases than any honest document has, or one that points nowhere.
      problems.push({ level: 'error', file, ...at(document.range[0]), message: oneLine(reasonOf(error_)) })
    }
  }
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

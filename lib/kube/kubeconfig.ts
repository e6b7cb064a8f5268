// Kubeconfig files: reading, and merging by kubectl's rules. Where several files set the same thing, the first wins:
// per name for clusters, users and contexts, and for current-context. Invariant: each entry remembers the file that it
// stands in, as relative paths in it are relative to that file.

import { resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { RelayError } from '../model/error.ts'
import { FieldReader } from './kubeconfig-fields.ts'
import { readConfigFile } from './material.ts'

/** A named entry of `clusters`, `users` or `contexts`, its fields not read yet. */
export interface KubeconfigEntry {
  readonly name: string
  readonly file: string
  readonly fields: FieldReader
}

export interface Kubeconfig {
  /** For messages: the file, or the files. */
  readonly describe: string
  readonly currentContext: string | null
  readonly clusters: ReadonlyMap<string, KubeconfigEntry>
  readonly users: ReadonlyMap<string, KubeconfigEntry>
  readonly contexts: ReadonlyMap<string, KubeconfigEntry>
}

/**
 * Reads and merges the files. One given by flag must exist; of those in $KUBECONFIG at least one.
 * @throws RelayError (INVALID_CONFIG); YAML errors carry line and column
 */
export async function loadKubeconfig(paths: readonly string[], source: 'flag' | 'env'): Promise<Kubeconfig> {
  const origin = source === 'flag' ? '--kubeconfig' : '$KUBECONFIG'
  const files: Kubeconfig[] = []
  let missing: unknown
  for (const path of paths.map(path => resolve(path))) {
    try {
      files.push(readKubeconfig(path, await readConfigFile(path, origin)))
    } catch (error) {
      const notThere = ((error as Error).cause as { code?: unknown } | undefined)?.code === 'ENOENT'
      if (source === 'flag' || !notThere) throw error
      missing = error
    }
  }
  if (files.length === 0) {
    const message = `$KUBECONFIG: none of its files exists: ${paths.join(', ')}`
    throw paths.length === 1 ? missing : new RelayError('INVALID_CONFIG', message, { cause: missing })
  }
  return merge(files)
}

function merge(files: readonly Kubeconfig[]): Kubeconfig {
  const firstOf = (pick: (file: Kubeconfig) => ReadonlyMap<string, KubeconfigEntry>) =>
    new Map(files.toReversed().flatMap(file => [...pick(file)]))
  return {
    describe: files.map(file => file.describe).join(', '),
    currentContext: files.find(file => file.currentContext !== null)?.currentContext ?? null,
    clusters: firstOf(file => file.clusters),
    users: firstOf(file => file.users),
    contexts: firstOf(file => file.contexts),
  }
}

function readKubeconfig(path: string, text: string): Kubeconfig {
  const where = `kubeconfig ${path}`
  if (text.trim() === '') throw new RelayError('INVALID_CONFIG', `${where} is empty`)
  const top = new FieldReader(parseYaml(text, where), where)
  const kind = top.string('kind')
  const shaped = ['clusters', 'users', 'contexts', 'current-context'].some(name => top.has(name))
  if ((kind !== null && kind !== 'Config') || (kind === null && !shaped)) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${where} isn't a kubeconfig: ${kind ? `it's a ${kind}` : 'no clusters in it'}`,
    )
  }
  return {
    describe: path,
    currentContext: top.string('current-context'),
    clusters: entries(top, path, 'clusters', 'cluster'),
    users: entries(top, path, 'users', 'user'),
    contexts: entries(top, path, 'contexts', 'context'),
  }
}

function entries(top: FieldReader, file: string, list: string, what: string): Map<string, KubeconfigEntry> {
  const found = new Map<string, KubeconfigEntry>()
  for (const item of top.list(list)) {
    const name = item.required('name')
    if (found.has(name)) {
      throw new RelayError(
        'INVALID_CONFIG',
        `${item.where}: the ${what} "${name}" is there twice: rename or remove one`,
      )
    }
    const fields = item.mapping(what, `kubeconfig ${file}: ${what} "${name}"`)
    found.set(name, { name, file, fields })
  }
  return found
}

function parseYaml(text: string, where: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const problem = document.errors[0]
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0])
    throw new RelayError('INVALID_CONFIG', `${where}:${line}:${col}: not valid YAML: ${problem.message}`, {
      cause: problem,
    })
  }
  try {
    return document.toJS() as unknown
  } catch (error) {
    // Aliases that would expand without bound.
    throw new RelayError('INVALID_CONFIG', `${where}: not valid YAML: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

// Finds manifest files and reads them as YAML documents, so that every complaint can name file and line. Nothing here
// knows what the documents mean.

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readYaml, type YamlDocument } from '../../config/yaml-documents.ts'
import { reasonOf } from '../../model/error.ts'

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
export interface ManifestDocument extends YamlDocument {
  readonly file: string
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
      const found = readYaml(await readFile(file, 'utf8'))
      documents.push(...found.documents.map(document => ({ file, ...document })))
      problems.push(...found.problems.map(problem => ({ level: 'error' as const, file, ...problem })))
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

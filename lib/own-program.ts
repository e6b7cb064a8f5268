// The one place that knows what this program is on disk: a script that Node.js runs (from the source tree, or from the
// published package), or a single executable with Node.js inside. It says how the program is started again for one of
// its own commands, and has the files that come with it.

import { readFileSync, readdirSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { getAsset, getAssetKeys, isSea } from 'node:sea'
import { fileURLToPath } from 'node:url'

const executable = isSea()
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const entry = executable
  ? process.execPath
  : fileURLToPath(new URL(`../cmd/kube-relay.${extension}`, import.meta.url))

/**
 * The name that it was started by, if that leads to it: an update may have a link point to a newer one, which is
 * then what is started. Looked at once, while it still leads here.
 */
const startedBy = ((): string => {
  const name = executable ? process.argv0 : process.argv[1]
  try {
    return name?.includes('/') && realpathSync(name) === realpathSync(entry) ? path.resolve(name) : entry
  } catch {
    return entry
  }
})()

/**
 * `kube-relay ARGS` as a program with its arguments: what is on disk at its start is what runs. `nodeOptions` are for the
 * Node.js that runs a script; a single executable has its own inside.
 */
export function ownCommand(
  args: readonly string[],
  { nodeOptions = [] }: { readonly nodeOptions?: readonly string[] } = {},
): readonly string[] {
  return executable ? [startedBy, ...args] : [process.execPath, ...nodeOptions, startedBy, ...args]
}

/** Whether it needs no Node.js and no other file. */
export const isSingleExecutable: boolean = executable

/** The source tree has them one level up, the published package (dist/lib) two. */
const roots = ['..', '../..'].map(up => fileURLToPath(new URL(up, import.meta.url)))

/** The text of a file that comes with the program ("package.json"); null where it is missing. */
export function ownFile(name: string): string | null {
  if (executable) return getAssetKeys().includes(name) ? getAsset(name, 'utf8') : null
  for (const root of roots) {
    try {
      return readFileSync(path.join(root, name), 'utf8')
    } catch {}
  }
  return null
}

/** The folder of examples that comes with the program; null where it is none: in a single executable, or missing. */
export function ownFolder(name: string): string | null {
  if (executable) return null
  return roots.map(root => path.join(root, name)).find(isFolder) ?? null
}

/** The names of the files in a folder inside the single executable, "examples/web.yaml". */
export function filesInside(folder: string): readonly string[] {
  return executable ? getAssetKeys().filter(name => name.startsWith(`${folder}/`)) : []
}

function isFolder(folder: string): boolean {
  try {
    readdirSync(folder)
    return true
  } catch {
    return false
  }
}

// Certificates, keys and paths as a kubeconfig gives them: base64 in a field `<name>-data`, or a file in `<name>`.
// As in kubectl, data wins over a file, and a relative path is relative to the kubeconfig that it stands in.

import { dirname, isAbsolute, join } from 'node:path'
import type { KubeconfigEntry } from './kubeconfig.ts'
import { materialFromBase64, type Material } from './material.ts'

/** The material of the fields `<name>-data` and `<name>`; null if there is neither. */
export function materialOf(entry: KubeconfigEntry, name: string): Material | null {
  const data = entry.fields.string(`${name}-data`)
  if (data !== null) return materialFromBase64(data, `${entry.fields.where}: ${name}-data`)
  const path = entry.fields.string(name)
  if (path === null) return null
  return { from: 'file', where: `${entry.fields.where}: ${name}`, path: pathIn(entry, path) }
}

/** The absolute path of one that stands in this entry. */
export function pathIn(entry: Pick<KubeconfigEntry, 'file'>, path: string): string {
  return isAbsolute(path) ? path : join(dirname(entry.file), path)
}

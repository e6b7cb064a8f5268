// PEM material (CA bundles, certificates, keys) that a configuration gives inline or by file. Files are read
// each time they are asked for: kubelets, cert-manager and projected volumes replace them under our feet.

import { readFile } from 'node:fs/promises'
import { RelayError } from '../model/error.ts'

/** Where a piece of PEM comes from. `where` names field and file for error messages. */
export type Material =
  | { readonly from: 'data'; readonly where: string; readonly pem: string }
  | { readonly from: 'file'; readonly where: string; readonly path: string }

/**
 * The PEM text of inline base64 data.
 * @throws RelayError (INVALID_CONFIG) if it isn't base64, or not of PEM.
 */
export function materialFromBase64(base64: string, where: string): Material {
  const compact = base64.replaceAll(/\s/g, '')
  // Buffer.from skips what it doesn't know, so a truncated paste would surface as an OpenSSL error far from here.
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) {
    throw new RelayError('INVALID_CONFIG', `${where} isn't valid base64: copy it again, whole`)
  }
  return { from: 'data', where, pem: checkPem(Buffer.from(compact, 'base64').toString('utf8'), where) }
}

/** @throws RelayError (INVALID_CONFIG) if the file can't be read, or holds no PEM. */
export async function readMaterial(material: Material): Promise<string> {
  if (material.from === 'data') return material.pem
  return checkPem(await readConfigFile(material.path, material.where), `${material.where} (${material.path})`)
}

/**
 * Reads a file that a configuration names.
 * @throws RelayError (INVALID_CONFIG) that says in words why it can't be read.
 */
export async function readConfigFile(path: string, where: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new RelayError('INVALID_CONFIG', `${where}: ${readFailure(path, error)}`, { cause: error })
  }
}

function readFailure(path: string, error: unknown): string {
  switch ((error as { code?: unknown }).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `there is no file ${path}`
    case 'EACCES':
    case 'EPERM':
      return `no permission to read ${path}: make it readable for the user that runs kube-relay`
    case 'EISDIR':
      return `${path} is a directory, not a file`
    default:
      return `can't read ${path}: ${error instanceof Error ? error.message : String(error)}`
  }
}

function checkPem(text: string, where: string): string {
  if (text.includes('-----BEGIN ')) return text
  throw new RelayError('INVALID_CONFIG', `${where} isn't PEM: it has no "-----BEGIN …" line`)
}

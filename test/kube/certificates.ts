// Certificates for tests, made by the openssl command into a test's own folder. Elliptic keys: made in no time.

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Pair {
  readonly certPath: string
  readonly keyPath: string
  readonly cert: string
  readonly key: string
}

/** For `test(…, { skip })`: a reason if there is no openssl command. */
export const noOpenssl: string | false =
  spawnSync('openssl', ['version']).status === 0 ? false : 'no openssl command'

/** A certificate authority. */
export function authority(dir: string, name: string): Pair {
  return make(dir, name, [])
}

/** A certificate signed by the authority, with the name as its common name, for the given alternative names. */
export function signed(dir: string, name: string, by: Pair, altName = 'IP:127.0.0.1'): Pair {
  const extensions = ['-addext', `subjectAltName=${altName}`, '-addext', 'basicConstraints=critical,CA:FALSE']
  return make(dir, name, ['-CA', by.certPath, '-CAkey', by.keyPath, ...extensions])
}

function make(dir: string, name: string, more: readonly string[]): Pair {
  const certPath = join(dir, `${name}.crt`)
  const keyPath = join(dir, `${name}.key`)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath]
  const request = ['req', '-x509', ...key, '-out', certPath, '-days', '10', '-subj', `/CN=${name}`, ...more]
  execFileSync('openssl', request, { stdio: ['ignore', 'ignore', 'pipe'] })
  return { certPath, keyPath, cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

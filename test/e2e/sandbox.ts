// What test/e2e/run provides around a test file: namespaces of the run's own, and a temporary folder in it.

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Throws one line that says what to do, unless test/e2e/run started this process. */
export function requireSandbox(): void {
  if (process.env['KUBE_RELAY_E2E'] === '1') return
  throw new Error('end-to-end tests run in namespaces of their own: start them with test/e2e/run [FILE]')
}

/** A new folder, and how to remove it. */
export function temporaryFolder(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `${name}.`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 10 }) }
}

/** A TCP port on 127.0.0.1 that was free a moment ago; nobody else is in this network namespace to take it. */
export async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const at = server.address()
    server.close(() => {
      if (at !== null && typeof at === 'object') resolve(at.port)
      else reject(new Error('listening, but on no port'))
    })
  })
  return promise
}

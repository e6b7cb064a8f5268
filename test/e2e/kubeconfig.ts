// Ordinary kubeconfig files, as `kubectl config` would write them.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface KubeconfigOptions {
  readonly server: string
  readonly caFile: string
  readonly user: { readonly token: string } | { readonly tokenFile: string }
}

/** Writes a kubeconfig with one cluster, one user and one context. JSON is YAML. */
export function writeKubeconfig(path: string, options: KubeconfigOptions): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'e2e',
        cluster: { server: options.server, 'certificate-authority': options.caFile },
      },
    ],
    users: [{ name: 'user', user: options.user }],
    contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'user' } }],
    'current-context': 'e2e',
  }
  writeFileSync(path, JSON.stringify(config, null, 2))
}

/** One for a server without users and without TLS, as the embedded control plane is; in `folder`. Returns its path. */
export function writeAnonymousKubeconfig(folder: string, server: string): string {
  const path = join(folder, 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'standalone', cluster: { server } }],
    users: [{ name: 'anyone', user: {} }],
    contexts: [{ name: 'standalone', context: { cluster: 'standalone', user: 'anyone' } }],
    'current-context': 'standalone',
  }
  writeFileSync(path, JSON.stringify(config, null, 2))
  return path
}

// Finds the API server and our credentials: in the first of --kubeconfig, $KUBECONFIG and the pod's service account;
// --master replaces the server's URL in any of them, and does alone for a server that wants no credentials.
// Invariant: what can be wrong with a configuration is found here, at the start, as INVALID_CONFIG.

import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { RelayError } from '../model/error.ts'
import { anonymousAccess, type ClusterAccess } from './cluster-access.ts'
import { inClusterAccess, defaultInClusterDir, runsInCluster } from './in-cluster.ts'
import { accessFromKubeconfig } from './kubeconfig-access.ts'
import { loadKubeconfig } from './kubeconfig.ts'
import { parseServerUrl } from './server-url.ts'

export interface ClusterAccessOptions {
  /** `--kubeconfig`: this file alone, and it must exist. */
  readonly kubeconfig?: string | undefined
  /** `--context`: instead of the kubeconfig's current-context. */
  readonly context?: string | undefined
  /** `--master`: instead of the server's URL. */
  readonly master?: string | undefined
  /** Read: KUBECONFIG, KUBERNETES_SERVICE_HOST and _PORT, HOME; passed on to exec plugins. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** For tests; `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly inClusterDir?: string
  readonly now?: () => number
}

/**
 * Finds out where the API server is and who we are. Files are read and checked; the server isn't asked.
 * @throws RelayError (INVALID_CONFIG) with one line that names the file, the thing in it and the remedy.
 */
export async function loadClusterAccess(options: ClusterAccessOptions): Promise<ClusterAccess> {
  const { env, context, now = Date.now, inClusterDir = defaultInClusterDir } = options
  const master = options.master ? parseServerUrl(options.master, '--master') : null
  const paths = kubeconfigPaths(options)
  if (paths !== null) {
    const kubeconfig = await loadKubeconfig(paths.files, paths.source)
    return accessFromKubeconfig(kubeconfig, { context, master, env, now })
  }
  if (context) {
    throw new RelayError(
      'INVALID_CONFIG',
      '--context needs a kubeconfig: give --kubeconfig FILE or set $KUBECONFIG',
    )
  }
  if (runsInCluster(env)) return inClusterAccess(env, inClusterDir, master)
  if (master !== null) return anonymousAccess(master, '--master')
  const home = env['HOME'] ? join(env['HOME'], '.kube', 'config') : null
  const hint = home !== null && existsSync(home) ? ` (--kubeconfig ${home} would use the one of kubectl)` : ''
  throw new RelayError(
    'INVALID_CONFIG',
    `no API server is configured: give --kubeconfig FILE${hint}, set $KUBECONFIG, give --master URL, or run in a pod`,
  )
}

function kubeconfigPaths(options: ClusterAccessOptions): { files: string[]; source: 'flag' | 'env' } | null {
  if (options.kubeconfig) return { files: [options.kubeconfig], source: 'flag' }
  // As kubectl: a list like $PATH, empty entries and repetitions ignored.
  const listed = (options.env['KUBECONFIG'] ?? '').split(delimiter).filter(path => path !== '')
  return listed.length === 0 ? null : { files: [...new Set(listed)], source: 'env' }
}

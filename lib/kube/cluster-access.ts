// Where the API server is and who we are to it: the one value that a KubeClient needs, whatever it was made from.

import { anonymousCredentials, type Credentials } from './credentials.ts'
import type { Material } from './material.ts'

export interface TlsSettings {
  /** Null: the system's certificate authorities. */
  readonly ca: Material | null
  readonly insecureSkipVerify: boolean
  /** The name to ask for and to verify instead of the URL's host. */
  readonly serverName: string | null
}

export interface ClusterAccess {
  readonly server: URL
  /** Where this came from, for the log: `context "prod" of kubeconfig /home/me/.kube/config`. */
  readonly describe: string
  /** The context's or the pod's namespace, `default` if none is given. */
  readonly namespace: string
  readonly tls: TlsSettings
  readonly credentials: Credentials
  readonly proxyUrl: URL | null
}

/** Access without credentials to a server that needs none, such as the embedded control plane. */
export function anonymousAccess(server: URL, describe = server.href): ClusterAccess {
  return {
    server,
    describe,
    namespace: 'default',
    tls: { ca: null, insecureSkipVerify: false, serverName: null },
    credentials: anonymousCredentials(),
    proxyUrl: null,
  }
}

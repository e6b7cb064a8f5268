// The access that Kubernetes gives to a pod: the API server's address in the environment, and the service account's
// token, CA and namespace in a mounted folder. The kubelet rotates the token there about every hour.

import { join } from 'node:path'
import { RelayError } from '../model/error.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { anonymousCredentials, tokenFile } from './credentials.ts'
import { readConfigFile, readMaterial, type Material } from './material.ts'
import { parseServerUrl } from './server-url.ts'

export const defaultInClusterDir = '/var/run/secrets/kubernetes.io/serviceaccount'

type Env = Readonly<Record<string, string | undefined>>

/** Whether the environment is that of a pod. */
export function runsInCluster(env: Env): boolean {
  return Boolean(env['KUBERNETES_SERVICE_HOST'] && env['KUBERNETES_SERVICE_PORT'])
}

/**
 * The pod's access, with `master` in place of the server's address: the address in the environment is a ClusterIP,
 * which doesn't work before a service proxy runs on the node, so a proxy's DaemonSet gives a real one.
 * @throws RelayError (INVALID_CONFIG)
 */
export async function inClusterAccess(env: Env, dir: string, master: URL | null): Promise<ClusterAccess> {
  const server = master ?? serviceUrl(env)
  const secure = server.protocol === 'https:'
  const where = `service account (${dir})`
  const ca: Material = { from: 'file', where, path: join(dir, 'ca.crt') }
  const credentials = tokenFile(join(dir, 'token'), where)
  if (secure) {
    await explain(credentials.get())
    await explain(readMaterial(ca))
  }
  return {
    server,
    describe: master === null ? where : `--master with the ${where}`,
    namespace: await namespaceIn(dir),
    tls: { ca: secure ? ca : null, insecureSkipVerify: false, serverName: null },
    // Over http:// anyone on the way could read the token; what listens there (kubectl proxy) needs none.
    credentials: secure ? credentials : anonymousCredentials('no credentials, as --master is http://'),
    proxyUrl: null,
  }
}

function serviceUrl(env: Env): URL {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? ''
  const port = env['KUBERNETES_SERVICE_PORT'] ?? ''
  const literal = host.includes(':') ? `[${host}]` : host
  return parseServerUrl(`https://${literal}:${port}`, '$KUBERNETES_SERVICE_HOST and _PORT')
}

async function explain(reading: Promise<unknown>): Promise<void> {
  try {
    await reading
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    const message = `${error.message}; this pod needs a service account with automountServiceAccountToken, or --kubeconfig`
    throw new RelayError('INVALID_CONFIG', message, { cause: error })
  }
}

async function namespaceIn(dir: string): Promise<string> {
  try {
    return (await readConfigFile(join(dir, 'namespace'), 'namespace')).trim() || 'default'
  } catch {
    return 'default'
  }
}

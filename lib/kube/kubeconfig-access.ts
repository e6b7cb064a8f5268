// From a merged kubeconfig to access: the context, its cluster, its user, everything checked. It follows
// client-go's clientcmd where that decides something: data wins over file, tokenFile over token, and a server
// given by flag clears tls-server-name, which was meant for the other one.

import { RelayError } from '../model/error.ts'
import { parseCertificate } from './client-certificate.ts'
import type { ClusterAccess, TlsSettings } from './cluster-access.ts'
import type { Kubeconfig, KubeconfigEntry } from './kubeconfig.ts'
import { materialOf } from './kubeconfig-material.ts'
import { userCredentials } from './kubeconfig-user.ts'
import { readMaterial } from './material.ts'
import { parseProxyUrl, parseServerUrl } from './server-url.ts'

export interface KubeconfigAccessOptions {
  readonly context?: string | undefined
  readonly master: URL | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now: () => number
}

/** @throws RelayError (INVALID_CONFIG) */
export async function accessFromKubeconfig(
  kubeconfig: Kubeconfig,
  options: KubeconfigAccessOptions,
): Promise<ClusterAccess> {
  const context = pickContext(kubeconfig, options.context)
  const cluster = referenced(kubeconfig, context, 'cluster', kubeconfig.clusters)
  const user = referenced(kubeconfig, context, 'user', kubeconfig.users)
  if (cluster === null && options.master === null) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${context.fields.where}: cluster is missing: name the cluster that it's for`,
    )
  }
  const server = options.master ?? clusterServer(cluster as KubeconfigEntry)
  const tls = await tlsOf(cluster, options.master !== null, server)
  const proxyUrl = cluster?.fields.string('proxy-url') ?? null
  const credentials = await userCredentials(user, {
    server,
    masterGiven: options.master !== null,
    tls,
    cluster,
    env: options.env,
    now: options.now,
  })
  return {
    server,
    describe: `context "${context.name}" of kubeconfig ${kubeconfig.describe}${options.master ? ' with --master' : ''}`,
    namespace: context.fields.string('namespace') ?? 'default',
    tls,
    credentials,
    proxyUrl: proxyUrl === null ? null : parseProxyUrl(proxyUrl, `${cluster?.fields.where}: proxy-url`),
  }
}

function pickContext(kubeconfig: Kubeconfig, wanted: string | undefined): KubeconfigEntry {
  const { contexts, currentContext, describe } = kubeconfig
  const names = contexts.size === 0 ? 'it has none' : `it has ${[...contexts.keys()].join(', ')}`
  const name = wanted || currentContext
  if (!name) {
    throw new RelayError(
      'INVALID_CONFIG',
      `kubeconfig ${describe} sets no current-context: give --context (${names})`,
    )
  }
  const context = contexts.get(name)
  if (context !== undefined) return context
  const origin = wanted ? '--context' : 'current-context'
  throw new RelayError(
    'INVALID_CONFIG',
    `kubeconfig ${describe} has no context "${name}" (${origin}); ${names}`,
  )
}

function referenced(
  kubeconfig: Kubeconfig,
  context: KubeconfigEntry,
  what: 'cluster' | 'user',
  entries: ReadonlyMap<string, KubeconfigEntry>,
): KubeconfigEntry | null {
  const name = context.fields.string(what)
  if (name === null) return null
  const entry = entries.get(name)
  if (entry !== undefined) return entry
  const names = entries.size === 0 ? `there are no ${what}s` : `there is ${[...entries.keys()].join(', ')}`
  const message = `${context.fields.where} names the ${what} "${name}", which kubeconfig ${kubeconfig.describe} doesn't have; ${names}`
  throw new RelayError('INVALID_CONFIG', message)
}

function clusterServer(cluster: KubeconfigEntry): URL {
  const { fields } = cluster
  const server = parseServerUrl(fields.required('server'), `${fields.where}: server`)
  const tlsOnly = ['certificate-authority', 'certificate-authority-data', 'tls-server-name'].find(name =>
    fields.string(name),
  )
  if (server.protocol === 'http:' && tlsOnly !== undefined) {
    const message = `${fields.where}: server is http:// but there is ${tlsOnly}: write https://, or remove it`
    throw new RelayError('INVALID_CONFIG', message)
  }
  return server
}

async function tlsOf(
  cluster: KubeconfigEntry | null,
  masterGiven: boolean,
  server: URL,
): Promise<TlsSettings> {
  if (cluster === null) return { ca: null, insecureSkipVerify: false, serverName: null }
  const { fields } = cluster
  const ca = materialOf(cluster, 'certificate-authority')
  const insecureSkipVerify = fields.boolean('insecure-skip-tls-verify')
  if (ca !== null && insecureSkipVerify) {
    const message = `${fields.where}: insecure-skip-tls-verify and certificate-authority exclude each other: remove one`
    throw new RelayError('INVALID_CONFIG', message)
  }
  if (ca !== null && server.protocol === 'https:') parseCertificate(await readMaterial(ca), ca.where)
  return { ca, insecureSkipVerify, serverName: masterGiven ? null : fields.string('tls-server-name') }
}

// Exec credential plugins as a kubeconfig describes them, and the request that each run of one gets in its environment.
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins

import { RelayError } from '../model/error.ts'
import type { TlsSettings } from './cluster-access.ts'
import type { FieldReader } from './kubeconfig-fields.ts'
import { pathIn } from './kubeconfig-material.ts'
import type { KubeconfigEntry } from './kubeconfig.ts'
import { readMaterial } from './material.ts'

const apiVersions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'] as const

export interface ExecPlugin {
  /** For messages: file and user. */
  readonly where: string
  readonly apiVersion: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly installHint: string
  /** Null unless provideClusterInfo is set. */
  readonly clusterInfo: (() => Promise<Readonly<Record<string, unknown>>>) | null
}

export interface ExecPluginContext {
  readonly server: URL
  readonly tls: TlsSettings
  readonly cluster: KubeconfigEntry | null
}

/** @throws RelayError (INVALID_CONFIG) */
export function readExecPlugin(user: KubeconfigEntry, context: ExecPluginContext): ExecPlugin {
  const fields = user.fields.mapping('exec')
  const apiVersion = fields.required('apiVersion')
  if (!apiVersions.some(known => known === apiVersion)) {
    const message = `${fields.where}: apiVersion ${apiVersion} isn't supported: use ${apiVersions.join(' or ')}`
    throw new RelayError('INVALID_CONFIG', message)
  }
  if (fields.string('interactiveMode') === 'Always') {
    const message = `${fields.where}: interactiveMode Always needs someone at a terminal: use a user for machines`
    throw new RelayError('INVALID_CONFIG', message)
  }
  const command = fields.required('command')
  return {
    where: user.fields.where,
    apiVersion,
    // A bare name is looked up in $PATH; anything with a slash is a path, relative to the kubeconfig.
    command: command.includes('/') ? pathIn(user, command) : command,
    args: fields.strings('args'),
    env: Object.fromEntries(
      fields.list('env').map(item => [item.required('name'), item.string('value') ?? '']),
    ),
    installHint: fields.string('installHint') ?? '',
    clusterInfo: fields.boolean('provideClusterInfo') ? () => clusterInfo(context) : null,
  }
}

/** The value of KUBERNETES_EXEC_INFO for one run. */
export async function execInfo(plugin: ExecPlugin): Promise<string> {
  const cluster = plugin.clusterInfo === null ? {} : { cluster: await plugin.clusterInfo() }
  return JSON.stringify({
    apiVersion: plugin.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...cluster },
  })
}

async function clusterInfo({ server, tls, cluster }: ExecPluginContext): Promise<Record<string, unknown>> {
  const config = cluster?.fields.list('extensions').find(isExecExtension)?.raw('extension')
  return {
    server: server.href.replace(/\/$/, ''),
    ...(tls.serverName !== null && { 'tls-server-name': tls.serverName }),
    ...(tls.insecureSkipVerify && { 'insecure-skip-tls-verify': true }),
    ...(tls.ca !== null && {
      'certificate-authority-data': Buffer.from(await readMaterial(tls.ca)).toString('base64'),
    }),
    ...(cluster?.fields.has('proxy-url') && { 'proxy-url': cluster.fields.string('proxy-url') }),
    ...(config !== undefined && { config }),
  }
}

/** The extension's name is reserved for passing configuration of the cluster to the plugin. */
function isExecExtension(extension: FieldReader): boolean {
  return extension.string('name') === 'client.authentication.k8s.io/exec'
}

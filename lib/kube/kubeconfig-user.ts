// A kubeconfig user's way to show who it is: token, token file, basic auth, exec plugin or client certificate, and
// impersonation on top. At most one of the first four, as in client-go; a client certificate may accompany one.

import { RelayError } from '../model/error.ts'
import { checkClientCertificate } from './client-certificate.ts'
import type { TlsSettings } from './cluster-access.ts'
import {
  anonymousCredentials,
  basicAuth,
  staticToken,
  tokenFile,
  withCertificate,
  withHeaders,
  type ClientCertificate,
  type Credentials,
} from './credentials.ts'
import { ExecCredentials } from './exec-credentials.ts'
import { readExecPlugin } from './exec-plugin.ts'
import type { FieldReader } from './kubeconfig-fields.ts'
import { materialOf, pathIn } from './kubeconfig-material.ts'
import type { KubeconfigEntry } from './kubeconfig.ts'
import { readMaterial } from './material.ts'

export interface UserContext {
  readonly server: URL
  /** `--master` was given: an http:// server isn't the kubeconfig's own mistake then. */
  readonly masterGiven: boolean
  readonly tls: TlsSettings
  readonly cluster: KubeconfigEntry | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now: () => number
}

/**
 * The credentials of a user; anonymous without one. Token and certificate files are read once, to be checked; an exec
 * plugin is run at the first request only.
 * @throws RelayError (INVALID_CONFIG)
 */
export async function userCredentials(
  user: KubeconfigEntry | null,
  context: UserContext,
): Promise<Credentials> {
  if (user === null) return anonymousCredentials('no user in the context')
  const { fields } = user
  if (fields.has('auth-provider')) {
    const message = `${fields.where}: auth-provider was removed from Kubernetes in 1.26: use an exec plugin (users[].user.exec)`
    throw new RelayError('INVALID_CONFIG', message)
  }
  const credentials = await withClientCertificate(user, oneMethod(user, context), context)
  const headers = impersonation(fields)
  return headers === null ? credentials : withHeaders(credentials, headers)
}

function oneMethod(user: KubeconfigEntry, context: UserContext): Credentials {
  const { fields, file, name } = user
  const path = fields.string('tokenFile')
  const token = fields.string('token')
  const username = fields.string('username')
  const of = `of user "${name}" in ${file}`
  const methods = [
    (path ?? token) ? 'token' : null,
    username === null ? null : 'username',
    fields.has('exec') ? 'exec' : null,
  ].filter(method => method !== null)
  if (methods.length > 1) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${fields.where}: ${methods.join(' and ')} exclude each other: keep one`,
    )
  }
  if (path !== null) return tokenFile(pathIn(user, path), `${fields.where}: tokenFile`)
  if (token !== null) return staticToken(token, `token ${of}`)
  if (username !== null)
    return basicAuth(username, fields.string('password') ?? '', `username and password ${of}`)
  if (!fields.has('exec')) return anonymousCredentials(`user "${name}" in ${file}, which has no credentials`)
  const plugin = readExecPlugin(user, context)
  return new ExecCredentials(plugin, { env: context.env, now: context.now })
}

async function withClientCertificate(
  user: KubeconfigEntry,
  inner: Credentials,
  { server, masterGiven, now }: UserContext,
): Promise<Credentials> {
  const { fields, name, file } = user
  const cert = materialOf(user, 'client-certificate')
  const key = materialOf(user, 'client-key')
  if (cert === null && key === null) return checked(inner)
  if (cert === null || key === null) {
    const [there, missing] =
      cert === null ? ['client-key', 'client-certificate'] : ['client-certificate', 'client-key']
    throw new RelayError(
      'INVALID_CONFIG',
      `${fields.where}: ${there} without ${missing}: add ${missing} or ${missing}-data`,
    )
  }
  if (server.protocol === 'http:') {
    if (masterGiven) return checked(inner)
    const message = `${fields.where}: a client certificate can't be used as the cluster's server is http://: write https://`
    throw new RelayError('INVALID_CONFIG', message)
  }
  if (fields.has('exec')) {
    throw new RelayError(
      'INVALID_CONFIG',
      `${fields.where}: exec and client-certificate exclude each other: keep one`,
    )
  }
  const where = cert.from === 'file' ? `${fields.where} (${cert.path})` : fields.where
  const read = async (): Promise<ClientCertificate> =>
    checkClientCertificate({ cert: await readMaterial(cert), key: await readMaterial(key) }, where, now())
  return checked(withCertificate(inner, read, `client certificate of user "${name}" in ${file}`))
}

/** A missing or empty file, or a bad certificate, is found now rather than at the first request. */
async function checked(credentials: Credentials): Promise<Credentials> {
  if (!(credentials instanceof ExecCredentials)) await credentials.get()
  return credentials
}

function impersonation(fields: FieldReader): Readonly<Record<string, string | string[]>> | null {
  const user = fields.string('as')
  if (user === null) return null
  const uid = fields.string('as-uid')
  const groups = fields.strings('as-groups')
  const extra = fields.mapping('as-user-extra')
  return {
    'impersonate-user': user,
    ...(uid !== null && { 'impersonate-uid': uid }),
    ...(groups.length > 0 && { 'impersonate-group': groups }),
    ...Object.fromEntries(
      extra
        .keys()
        .map(key => [`impersonate-extra-${encodeURIComponent(key.toLowerCase())}`, extra.strings(key)]),
    ),
  }
}

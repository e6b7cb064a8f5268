// Tokens of the service account that deploy/base/rbac.yaml makes for kube-relay, from the TokenRequest API.

import type { Api } from './api.ts'
import { until } from './until.ts'

const namespace = '/api/v1/namespaces/kube-system'

/** What the API server calls kube-relay, in audit logs and in errors. */
export const agentUser = 'system:serviceaccount:kube-system:kube-relay'

/** A token that is good for an hour. */
export async function createToken(api: Api, boundObjectRef?: object): Promise<string> {
  const body = await api.must('POST', `${namespace}/serviceaccounts/kube-relay/token`, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [], expirationSeconds: 3600, boundObjectRef },
  })
  return (body['status'] as { token: string }).token
}

export interface RevocableToken {
  readonly token: string
  /** Makes the API server refuse the token for good; resolves once it does (it remembers good ones for 10 s). */
  revoke(): Promise<void>
}

/** A token that is bound to an object of its own, and so ends with that object. */
export async function createRevocableToken(api: Api, name: string): Promise<RevocableToken> {
  const { metadata } = await api.must('POST', `${namespace}/secrets`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
  })
  const { uid } = metadata as { uid: string }
  const token = await createToken(api, { apiVersion: 'v1', kind: 'Secret', name, uid })
  return {
    token,
    revoke: async () => {
      await api.must('DELETE', `${namespace}/secrets/${name}`)
      await until(`the token bound to secret ${name} is refused`, async () => {
        const { status } = await api.send('GET', '/api/v1/services?limit=1', undefined, token)
        return status === 401 || undefined
      })
    },
  }
}

// Where the API server is and who we are: what is right, and what merging makes of several files.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadClusterAccess } from '../../lib/kube/load-cluster-access.ts'

const config = `
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: k, user: u, namespace: web}}
- {name: two, context: {cluster: k, user: v}}
clusters:
- {name: k, cluster: {server: "https://10.0.0.1:6443", tls-server-name: api.internal, proxy-url: "http://proxy:3128"}}
users:
- {name: u, user: {token: secret}}
- {name: v, user: {username: me, password: "pass:word"}}
`

void test('a kubeconfig by flag', async t => {
  const file = join(t.testdir({ config }), 'config')
  const access = await loadClusterAccess({ kubeconfig: file, env: { KUBECONFIG: '/nowhere' } })
  t.equal(access.server.href, 'https://10.0.0.1:6443/')
  t.equal(access.namespace, 'web')
  t.equal(access.describe, `context "one" of kubeconfig ${file}`)
  t.strictSame(access.tls, { ca: null, insecureSkipVerify: false, serverName: 'api.internal' })
  t.equal(access.proxyUrl?.href, 'http://proxy:3128/')
  t.strictSame((await access.credentials.get()).headers, { authorization: 'Bearer secret' })
  t.notMatch(access.credentials.describe, 'secret')
})

void test('another context, with basic auth', async t => {
  const file = join(t.testdir({ config }), 'config')
  const access = await loadClusterAccess({ kubeconfig: file, context: 'two', env: {} })
  t.equal(access.namespace, 'default')
  const authorization = `Basic ${Buffer.from('me:pass:word').toString('base64')}`
  t.strictSame((await access.credentials.get()).headers, { authorization })
})

void test('--master replaces the server and its tls-server-name, and keeps the rest', async t => {
  const file = join(t.testdir({ config }), 'config')
  const access = await loadClusterAccess({ kubeconfig: file, master: 'https://10.9.9.9', env: {} })
  t.equal(access.server.href, 'https://10.9.9.9/')
  t.equal(access.tls.serverName, null)
  t.strictSame((await access.credentials.get()).headers, { authorization: 'Bearer secret' })
})

void test('--master alone wants no credentials', async t => {
  const access = await loadClusterAccess({ master: 'http://127.0.0.1:8001', env: {} })
  t.equal(access.server.href, 'http://127.0.0.1:8001/')
  t.strictSame(await access.credentials.get(), { headers: {}, certificate: null })
})

void test('$KUBECONFIG: several files, the first wins for each thing', async t => {
  const dir = t.testdir({
    a: {
      config: `{contexts: [{name: shared, context: {cluster: from-a, user: u}}],
        clusters: [{name: from-a, cluster: {server: "https://a"}}]}`,
    },
    b: {
      config: `{current-context: shared, contexts: [{name: shared, context: {cluster: from-b, user: u}}],
        clusters: [{name: from-a, cluster: {server: "https://not-this"}}, {name: from-b, cluster: {server: "https://b"}}],
        users: [{name: u, user: {tokenFile: token}}]}`,
      token: 'token-beside-b\n',
    },
    c: { config: 'current-context: other' },
  })
  const files = ['a', 'missing', 'b', 'a', 'c'].map(name => join(dir, name, 'config'))
  const access = await loadClusterAccess({ env: { KUBECONFIG: ['', ...files].join(':') } })
  t.equal(access.server.href, 'https://a/')
  t.strictSame((await access.credentials.get()).headers, { authorization: 'Bearer token-beside-b' })
})

void test('tokenFile wins over token, and is read again as it rotates', async t => {
  const dir = t.testdir({
    config: `{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],
      clusters: [{name: k, cluster: {server: "https://k"}}], users: [{name: u, user: {token: t0, tokenFile: ./sub/token}}]}`,
    sub: { token: 't1' },
  })
  const { credentials } = await loadClusterAccess({ kubeconfig: join(dir, 'config'), env: {} })
  const token = async () => (await credentials.get()).headers['authorization']
  t.equal(await token(), 'Bearer t1')
  writeFileSync(join(dir, 'sub/token'), 't2\n')
  t.equal(await token(), 'Bearer t2')
  writeFileSync(join(dir, 'sub/token'), '')
  t.equal(await token(), 'Bearer t2', 'a file that is just being written')
  writeFileSync(join(dir, 'sub/token'), 't3')
  t.equal(await token(), 'Bearer t3')
})

void test('impersonation', async t => {
  const file = join(
    t.testdir({
      config: `{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],
        clusters: [{name: k, cluster: {server: "https://k"}}],
        users: [{name: u, user: {token: t, as: jane, as-uid: "7", as-groups: [a, b], as-user-extra: {Scopes/x: [y]}}}]}`,
    }),
    'config',
  )
  const { credentials } = await loadClusterAccess({ kubeconfig: file, env: {} })
  t.strictSame((await credentials.get()).headers, {
    authorization: 'Bearer t',
    'impersonate-user': 'jane',
    'impersonate-uid': '7',
    'impersonate-group': ['a', 'b'],
    'impersonate-extra-scopes%2Fx': ['y'],
  })
})

void test('a context without a user', async t => {
  const file = join(
    t.testdir({
      config: `{current-context: c, contexts: [{name: c, context: {cluster: k}}],
        clusters: [{name: k, cluster: {server: "http://127.0.0.1:8001"}}]}`,
    }),
    'config',
  )
  const { credentials } = await loadClusterAccess({ kubeconfig: file, env: {} })
  t.strictSame(await credentials.get(), { headers: {}, certificate: null })
})

void test('in a pod: the service account, its token read again as it rotates', async t => {
  const dir = t.testdir({
    token: 'pod-token-1',
    'ca.crt': '-----BEGIN CERTIFICATE-----\n',
    namespace: 'kube-system',
  })
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  const access = await loadClusterAccess({ env, inClusterDir: dir })
  t.equal(access.server.href, 'https://[fd00::1]/')
  t.equal(access.namespace, 'kube-system')
  t.match(access.tls.ca, { from: 'file', path: join(dir, 'ca.crt') })
  t.strictSame((await access.credentials.get()).headers, { authorization: 'Bearer pod-token-1' })
  writeFileSync(join(dir, 'token'), 'pod-token-2')
  t.strictSame((await access.credentials.get()).headers, { authorization: 'Bearer pod-token-2' })

  const direct = await loadClusterAccess({ env, inClusterDir: dir, master: 'https://10.0.0.1:6443' })
  t.equal(direct.server.href, 'https://10.0.0.1:6443/')
  t.strictSame((await direct.credentials.get()).headers, { authorization: 'Bearer pod-token-2' })
  const plain = await loadClusterAccess({ env, inClusterDir: dir, master: 'http://127.0.0.1:8001' })
  t.strictSame((await plain.credentials.get()).headers, {}, 'the token is not sent in the clear')
})

void test('$KUBECONFIG comes before the pod', async t => {
  const file = join(t.testdir({ config }), 'config')
  const env = { KUBECONFIG: file, KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' }
  t.match((await loadClusterAccess({ env })).describe, 'context "one"')
})

void test('nothing is configured', async t => {
  const home = t.testdir({})
  const load = () => loadClusterAccess({ env: { HOME: home } })
  await t.rejects(load(), {
    code: 'INVALID_CONFIG',
    message: /^no API server is configured: give --kubeconfig FILE,/,
  })
  mkdirSync(join(home, '.kube'))
  writeFileSync(join(home, '.kube/config'), config)
  await t.rejects(load(), { code: 'INVALID_CONFIG', message: /--kubeconfig .*\.kube\/config would use/ })
})

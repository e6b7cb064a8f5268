// Every way to get a kubeconfig wrong: one line that names the file, the thing and the remedy.

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadClusterAccess, type ClusterAccessOptions } from '../../lib/kube/load-cluster-access.ts'
import { RelayError } from '../../lib/model/error.ts'
import { authority, base64, noOpenssl, signed } from './certificates.ts'

async function messageOf(options: Partial<ClusterAccessOptions>): Promise<string> {
  try {
    await loadClusterAccess({ env: {}, ...options })
  } catch (error) {
    if (error instanceof RelayError && error.code === 'INVALID_CONFIG') return error.message
    throw error
  }
  throw new Error('it was expected to fail')
}

/** A kubeconfig with these fields of its only cluster and user. */
function kubeconfigOf(cluster: object, user: object = {}, context: object = {}): string {
  return JSON.stringify({
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u', ...context } }],
    clusters: [{ name: 'k', cluster: { server: 'https://10.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user }],
  })
}

const cases: Record<string, { config: string; expected: RegExp; context?: string }> = {
  empty: { config: ' \n', expected: /is empty$/ },
  'no YAML': { config: 'clusters:\n- name: [\n', expected: /config:3:1: not valid YAML: / },
  'a tab for indentation': {
    config: 'clusters:\n\t- name: k\n',
    expected: /config:2:1: not valid YAML: .*tab/i,
  },
  text: { config: 'hello', expected: /must be a mapping of fields, not the string "hello"$/ },
  'something else in YAML': { config: '{kind: Pod}', expected: /isn't a kubeconfig: it's a Pod$/ },
  'nothing of a kubeconfig': { config: '{a: 1}', expected: /isn't a kubeconfig: no clusters in it$/ },
  'no current-context': {
    config: '{contexts: [{name: a, context: {}}, {name: b, context: {}}]}',
    expected: /sets no current-context: give --context \(it has a, b\)$/,
  },
  'no contexts': { config: '{clusters: []}', expected: /sets no current-context: .*\(it has none\)$/ },
  'another context': {
    config: kubeconfigOf({}),
    context: 'prod',
    expected: /has no context "prod" \(--context\); it has c$/,
  },
  'a current-context that is not there': {
    config: '{current-context: x, contexts: []}',
    expected: /has no context "x" \(current-context\); it has none$/,
  },
  'a context naming a missing cluster': {
    config: kubeconfigOf({}, {}, { cluster: 'gone' }),
    expected: /context "c" names the cluster "gone", which kubeconfig .*config doesn't have; there is k$/,
  },
  'a context naming a missing user': {
    config: kubeconfigOf({}, {}, { user: 'gone' }),
    expected: /context "c" names the user "gone", which .* doesn't have; there is u$/,
  },
  'a context without a cluster': {
    config: kubeconfigOf({}, {}, { cluster: '' }),
    expected: /context "c": cluster is missing/,
  },
  'two of a name': {
    config: '{clusters: [{name: k, cluster: {server: a}}, {name: k, cluster: {server: b}}]}',
    expected: /the cluster "k" is there twice/,
  },
  'an entry without a name': { config: '{users: [{user: {}}]}', expected: /users\[0\]: name is missing$/ },
  'a list that is none': { config: '{users: {}}', expected: /users must be a list, not a mapping$/ },
  'no server': { config: kubeconfigOf({ server: '' }), expected: /cluster "k": server is missing$/ },
  'a server without a scheme': {
    config: kubeconfigOf({ server: 'localhost:6443' }),
    expected: /cluster "k": server "localhost:6443" must start with .*, like https:\/\/localhost:6443$/,
  },
  'a server of another scheme': {
    config: kubeconfigOf({ server: 'ftp://a' }),
    expected: /server "ftp:\/\/a" must start with http:\/\/ or https:\/\//,
  },
  'a server that cannot be parsed': {
    config: kubeconfigOf({ server: 'https://10.0.0.1:port' }),
    expected: /server "https:\/\/10.0.0.1:port" isn't a URL/,
  },
  'a server with a query': {
    config: kubeconfigOf({ server: 'https://a/?b' }),
    expected: /has no "\?" or "#" part$/,
  },
  'a server with a password': {
    config: kubeconfigOf({ server: 'https://a:b@c' }),
    expected: /credentials belong to the user/,
  },
  'http:// with a CA': {
    config: kubeconfigOf({ server: 'http://a', 'certificate-authority': 'ca.crt' }),
    expected: /server is http:\/\/ but there is certificate-authority: write https:/,
  },
  'http:// with a client certificate': {
    config: kubeconfigOf({ server: 'http://a' }, { 'client-certificate': 'token', 'client-key': 'token' }),
    expected: /user "u": a client certificate can't be used as the cluster's server is http:/,
  },
  'a CA and no verification': {
    config: kubeconfigOf({ 'certificate-authority': 'token', 'insecure-skip-tls-verify': true }),
    expected: /insecure-skip-tls-verify and certificate-authority exclude each other/,
  },
  'a missing CA file': {
    config: kubeconfigOf({ 'certificate-authority': 'gone.crt' }),
    expected: /cluster "k": certificate-authority: there is no file .*gone\.crt$/,
  },
  'a CA file that is a folder': {
    config: kubeconfigOf({ 'certificate-authority': '.' }),
    expected: /certificate-authority: .* is a directory, not a file$/,
  },
  'a CA that is no PEM': {
    config: kubeconfigOf({ 'certificate-authority': 'token' }),
    expected: /certificate-authority \(.*token\) isn't PEM/,
  },
  'a CA that is PEM of nothing': {
    config: kubeconfigOf({
      'certificate-authority-data': base64('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
    }),
    expected: /certificate-authority-data can't be parsed as an X\.509 certificate/,
  },
  'base64 that was cut off': {
    config: kubeconfigOf({ 'certificate-authority-data': 'LS0tLS1CRUd' }),
    expected: /certificate-authority-data isn't valid base64/,
  },
  'PEM where base64 belongs': {
    config: kubeconfigOf({ 'certificate-authority-data': '-----BEGIN CERTIFICATE-----' }),
    expected: /certificate-authority-data isn't valid base64/,
  },
  'yes for true': {
    config: kubeconfigOf({ 'insecure-skip-tls-verify': 'yes' }),
    expected: /insecure-skip-tls-verify must be true or false, not the string "yes"$/,
  },
  'a proxy without a scheme': {
    config: kubeconfigOf({ 'proxy-url': 'proxy:3128' }),
    expected: /proxy-url "proxy:3128" must start with .*, like http:\/\/proxy:3128$/,
  },
  'a SOCKS proxy': {
    config: kubeconfigOf({ 'proxy-url': 'socks5://a:1' }),
    expected: /SOCKS proxies aren't supported/,
  },
  'a token of digits': {
    config: kubeconfigOf({}, { token: 123 }),
    expected: /user "u": token must be a string, not the number 123: put it in quotes$/,
  },
  'a missing token file': {
    config: kubeconfigOf({}, { tokenFile: 'gone' }),
    expected: /tokenFile: there is no file .*gone$/,
  },
  'an empty token file': {
    config: kubeconfigOf({}, { tokenFile: 'empty' }),
    expected: /the token file .*empty is empty$/,
  },
  'a token file of several lines': {
    config: kubeconfigOf({}, { tokenFile: 'lines' }),
    expected: /something else than one token$/,
  },
  'an auth-provider': {
    config: kubeconfigOf({}, { 'auth-provider': { name: 'gcp' } }),
    expected: /user "u": auth-provider was removed from Kubernetes in 1\.26: use an exec plugin/,
  },
  'two ways to say who': {
    config: kubeconfigOf({}, { token: 'a', username: 'b' }),
    expected: /user "u": token and username exclude each other/,
  },
  'a certificate without a key': {
    config: kubeconfigOf({}, { 'client-certificate': 'token' }),
    expected: /client-certificate without client-key: add client-key or client-key-data$/,
  },
  'an exec plugin of another version': {
    config: kubeconfigOf({}, { exec: { apiVersion: 'client.authentication.k8s.io/v1alpha1', command: 'a' } }),
    expected: /exec: apiVersion .*v1alpha1 isn't supported: use .*v1 or .*v1beta1$/,
  },
  'an exec plugin without a command': {
    config: kubeconfigOf({}, { exec: { apiVersion: 'client.authentication.k8s.io/v1' } }),
    expected: /exec: command is missing$/,
  },
  'an exec plugin that wants a terminal': {
    config: kubeconfigOf(
      {},
      { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'a', interactiveMode: 'Always' } },
    ),
    expected: /interactiveMode Always needs someone at a terminal/,
  },
}

for (const [name, { config, expected, context }] of Object.entries(cases)) {
  void test(name, async t => {
    const dir = t.testdir({ config, token: 'x', empty: '\n', lines: 'a\nb\n' })
    const kubeconfig = join(dir, 'config')
    const message = await messageOf({ kubeconfig, context })
    t.match(message, expected)
    t.notMatch(message, '\n', 'one line')
    t.match(message, kubeconfig, 'which names the file')
  })
}

void test('files that cannot be read', async t => {
  const dir = t.testdir({ config: kubeconfigOf({}) })
  const gone = join(dir, 'gone')
  t.equal(await messageOf({ kubeconfig: gone }), `--kubeconfig: there is no file ${gone}`)
  t.equal(await messageOf({ kubeconfig: dir }), `--kubeconfig: ${dir} is a directory, not a file`)
  t.equal(await messageOf({ env: { KUBECONFIG: gone } }), `$KUBECONFIG: there is no file ${gone}`)
  t.match(
    await messageOf({ env: { KUBECONFIG: `${gone}:${gone}2` } }),
    /none of its files exists: .*gone, .*gone2$/,
  )
})

void test(
  'a file without permission',
  { skip: process.getuid?.() === 0 && 'root may read everything' },
  async t => {
    const kubeconfig = join(t.testdir({ config: kubeconfigOf({}) }), 'config')
    chmodSync(kubeconfig, 0)
    t.match(
      await messageOf({ kubeconfig }),
      /no permission to read .*: make it readable for the user that runs/,
    )
  },
)

void test('flags', async t => {
  t.match(
    await messageOf({ master: '10.0.0.1' }),
    /^--master "10\.0\.0\.1" must start with .*like https:\/\/10\.0\.0\.1$/,
  )
  t.match(await messageOf({ context: 'a' }), /^--context needs a kubeconfig/)
})

void test('a pod without a service account', async t => {
  const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' }
  const dir = t.testdir({ token: 't' })
  t.match(
    await messageOf({ env, inClusterDir: join(dir, 'gone') }),
    /there is no file .*token; .*automountServiceAccountToken/,
  )
  t.match(await messageOf({ env, inClusterDir: dir }), /there is no file .*ca\.crt; /)
})

void test('client certificates that cannot be used', { skip: noOpenssl }, async t => {
  const dir = t.testdir({ me: {} })
  const ca = authority(dir, 'ca')
  const alice = signed(dir, 'alice', ca)
  const bob = signed(dir, 'bob', ca)
  const kubeconfig = join(dir, 'config')
  const message = async (user: object, days = 0) => {
    writeFileSync(kubeconfig, kubeconfigOf({}, user))
    return messageOf({ kubeconfig, now: () => Date.now() + days * 86_400_000 })
  }
  const byFile = { 'client-certificate': 'alice.crt', 'client-key': 'alice.key' }
  const byData = { 'client-certificate-data': base64(alice.cert), 'client-key-data': base64(alice.key) }
  t.match(
    await message(byFile, 20),
    /user "u" \(.*alice\.crt\): the client certificate expired at 20.*Z: get a new one/,
  )
  t.match(await message(byData, 20), /config: user "u": the client certificate expired at 20/)
  t.match(
    await message(byData, -20),
    /the client certificate isn't valid before 20.*Z: check this machine's clock$/,
  )
  t.match(
    await message({ ...byData, 'client-key-data': base64(bob.key) }),
    /the client key doesn't belong to the client certificate/,
  )
  const noKey = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
  t.match(await message({ ...byData, 'client-key-data': base64(noKey) }), /the client key can't be used: /)
  const encrypted = noKey.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE')
  t.match(
    await message({ ...byData, 'client-key-data': base64(encrypted) }),
    /it is encrypted, store it without a passphrase/,
  )
})

// Exec plugins, as real child processes: this Node with a script that the test writes.

import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { KubeClient } from '../../lib/kube/client.ts'
import type { Credentials } from '../../lib/kube/credentials.ts'
import { loadClusterAccess } from '../../lib/kube/load-cluster-access.ts'
import { authority, base64, noOpenssl, signed } from './certificates.ts'
import { fakeApiServer } from './fake-api-server.ts'

const v1 = 'client.authentication.k8s.io/v1'

interface Plugin {
  readonly credentials: Credentials
  readonly dir: string
  /** How often it has been run. */
  readonly runs: () => number
}

/** A plugin whose script can call `answer(status)`; it counts its runs in a file. Arguments go to the script. */
async function plugin(
  t: Test,
  script: string,
  exec: { readonly args?: readonly string[]; readonly [field: string]: unknown } = {},
  now?: () => number,
): Promise<Plugin> {
  const dir = t.testdir({
    'plugin.mjs': `
      import { appendFileSync } from 'node:fs'
      import { join } from 'node:path'
      const dir = import.meta.dirname
      appendFileSync(join(dir, 'runs'), 'x')
      const runs = (await import('node:fs')).readFileSync(join(dir, 'runs'), 'utf8').length
      const answer = (status, apiVersion = '${v1}') =>
        process.stdout.write(JSON.stringify({ apiVersion, kind: 'ExecCredential', status }))
      ${script}`,
  })
  const content = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [
      {
        name: 'k',
        cluster: {
          server: 'https://10.0.0.1:6443',
          'insecure-skip-tls-verify': true,
          'tls-server-name': 'api.internal',
          extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'me' } }],
        },
      },
    ],
    users: [
      {
        name: 'u',
        user: {
          exec: {
            apiVersion: v1,
            command: process.execPath,
            ...exec,
            args: [join(dir, 'plugin.mjs'), ...(exec.args ?? [])],
          },
        },
      },
    ],
  }
  writeFileSync(join(dir, 'config'), JSON.stringify(content))
  // Of the test's own environment as little as possible: tap puts loaders into NODE_OPTIONS.
  const env = { PATH: process.env['PATH'] }
  const { credentials } = await loadClusterAccess({
    kubeconfig: join(dir, 'config'),
    env,
    ...(now && { now }),
  })
  const runs = () => (existsSync(join(dir, 'runs')) ? readFileSync(join(dir, 'runs'), 'utf8').length : 0)
  return { credentials, dir, runs }
}

void test('a token that does not expire is asked for once, and again after 401', async t => {
  const { credentials, runs } = await plugin(t, 'answer({ token: "t" + runs })')
  t.equal(runs(), 0, 'not before it is needed')
  const both = await Promise.all([credentials.get(), credentials.get()])
  t.strictSame(
    both.map(identity => identity.headers),
    [{ authorization: 'Bearer t1' }, { authorization: 'Bearer t1' }],
  )
  await credentials.get()
  t.equal(runs(), 1)
  credentials.invalidate()
  t.strictSame((await credentials.get()).headers, { authorization: 'Bearer t2' })
})

void test('a token that expires is renewed in time', async t => {
  let now = Date.parse('2026-01-01T00:00:00Z')
  const script = 'answer({ token: "t" + runs, expirationTimestamp: "2026-01-01T01:00:00Z" })'
  const { credentials, runs } = await plugin(t, script, {}, () => now)
  await credentials.get()
  now += 59 * 60_000
  await credentials.get()
  t.equal(runs(), 1)
  now += 55_000
  t.strictSame((await credentials.get()).headers, { authorization: 'Bearer t2' }, 'seconds before it expires')
})

void test('what the plugin is told: arguments, environment, cluster', async t => {
  const script = `answer({ token: JSON.stringify([process.argv[2], process.env.MINE, process.env.KUBERNETES_EXEC_INFO]) })`
  const told = async (exec: object) => {
    const env = [{ name: 'MINE', value: 'yes' }]
    const { credentials } = await plugin(t, script, { args: ['--flag'], env, ...exec })
    const { headers } = await credentials.get()
    const [flag, mine, info] = JSON.parse(
      String(headers['authorization']).slice('Bearer '.length),
    ) as string[]
    return { flag, mine, info: JSON.parse(info ?? '') as unknown }
  }
  const head = { apiVersion: v1, kind: 'ExecCredential' }
  t.strictSame(await told({}), {
    flag: '--flag',
    mine: 'yes',
    info: { ...head, spec: { interactive: false } },
  })
  t.strictSame((await told({ provideClusterInfo: true })).info, {
    ...head,
    spec: {
      interactive: false,
      cluster: {
        server: 'https://10.0.0.1:6443',
        'tls-server-name': 'api.internal',
        'insecure-skip-tls-verify': true,
        config: { audience: 'me' },
      },
    },
  })
})

void test('v1beta1', async t => {
  const apiVersion = 'client.authentication.k8s.io/v1beta1'
  const { credentials } = await plugin(t, `answer({ token: 't' }, '${apiVersion}')`, { apiVersion })
  t.strictSame((await credentials.get()).headers, { authorization: 'Bearer t' })
})

void test('a command by a path relative to the kubeconfig', async t => {
  const { credentials, dir } = await plugin(t, '', { command: './bin' })
  writeFileSync(
    join(dir, 'bin'),
    `#!/bin/sh\necho '{"apiVersion":"${v1}","kind":"ExecCredential","status":{"token":"t"}}'\n`,
    {
      mode: 0o755,
    },
  )
  t.strictSame((await credentials.get()).headers, { authorization: 'Bearer t' })
})

void test('a client certificate', { skip: noOpenssl }, async t => {
  const certs = t.testdir({ certs: {} })
  const ca = authority(certs, 'ca')
  const alice = signed(certs, 'alice', ca)
  const status = { clientCertificateData: alice.cert, clientKeyData: alice.key }
  const { credentials } = await plugin(t, `answer(JSON.parse(atob('${base64(JSON.stringify(status))}')))`)
  t.strictSame(await credentials.get(), { headers: {}, certificate: { cert: alice.cert, key: alice.key } })
})

const failures: Record<string, { script?: string; exec?: Record<string, unknown>; expected: RegExp }> = {
  'a missing command': {
    exec: { command: 'no-such-plugin-anywhere' },
    expected:
      /the exec plugin no-such-plugin-anywhere gave no credentials: there is no command no-such-plugin-anywhere: install it$/,
  },
  'a missing command with a hint': {
    exec: { command: 'no-such-plugin-anywhere', installHint: 'Get it\nfrom the shop.' },
    expected: /no-such-plugin-anywhere: Get it from the shop\.$/,
  },
  'a command that may not be run': {
    exec: { command: './config' },
    expected: /it can't be started \(EACCES\)$/,
  },
  'an exit status, with its words': {
    script: 'console.error("log in\\n first"); process.exitCode = 3',
    expected: /it exited with status 3: log in first$/,
  },
  'a signal': {
    script: 'process.kill(process.pid, "SIGTERM"); await new Promise(() => setTimeout(() => {}, 1e6))',
    expected: /it was ended by SIGTERM$/,
  },
  'nothing written': { script: '', expected: /it wrote nothing$/ },
  'no JSON': { script: 'console.log("hello")', expected: /something else than JSON/ },
  null: { script: 'console.log("null")', expected: /not an ExecCredential/ },
  'another version': {
    script: 'answer({ token: "t" }, "client.authentication.k8s.io/v1beta1")',
    expected: /wrote a ExecCredential of .*v1beta1, not an ExecCredential of .*v1$/,
  },
  'no status': { script: 'answer()', expected: /neither a token nor a client certificate$/ },
  'half a pair': {
    script: 'answer({ clientKeyData: "x" })',
    expected: /one of clientCertificateData and clientKeyData/,
  },
  'a bad certificate': {
    script: 'answer({ clientKeyData: "x", clientCertificateData: "y" })',
    expected: /can't be parsed as an X\.509/,
  },
  'a bad time': {
    script: 'answer({ token: "t", expirationTimestamp: "soon" })',
    expected: /expirationTimestamp "soon" isn't a time$/,
  },
  'too much': { script: 'process.stdout.write("x".repeat(2 ** 21))', expected: /it wrote more than 1 MiB$/ },
}

for (const [name, { script = '', exec, expected }] of Object.entries(failures)) {
  void test(`failure: ${name}`, async t => {
    const { credentials } = await plugin(t, script, exec)
    await t.rejects(credentials.get(), { code: 'INVALID_CONFIG', message: expected })
    await t.rejects(credentials.get(), { code: 'INVALID_CONFIG' }, 'and is tried again')
  })
}

/** Resolves once the plugin has been started. */
async function started({ dir, runs }: Plugin): Promise<void> {
  const watching = new AbortController()
  const seen = new Promise<void>(resolve => {
    watch(dir, { signal: watching.signal }, () => {
      if (runs() > 0) resolve()
    })
  })
  if (runs() === 0) await seen
  watching.abort()
}

void test('abort: the last who waits ends the run', async t => {
  const running = await plugin(t, 'setTimeout(() => {}, 1e6)')
  const { credentials } = running
  const one = new AbortController()
  const other = new AbortController()
  const waiting = [credentials.get(one.signal), credentials.get(other.signal)] as const
  await started(running)
  one.abort()
  await t.rejects(waiting[0], { code: 'ABORTED' })
  other.abort()
  await t.rejects(waiting[1], { code: 'ABORTED' })
  t.equal(running.runs(), 1)
  await t.rejects(credentials.get(AbortSignal.abort()), { code: 'ABORTED' })
})

void test('a request with a token of a plugin, which the server stops accepting', async t => {
  const { credentials } = await plugin(t, 'answer({ token: "t" + runs })')
  const server = await fakeApiServer(t)
  const access = await loadClusterAccess({ master: server.url.href, env: {} })
  const client = new KubeClient({ ...access, credentials })
  t.teardown(() => client.close())
  const answer = client.get('/version')
  const first = await server.next()
  t.equal(first.header.authorization, 'Bearer t1')
  first.refuse(401, 'Unauthorized')
  const second = await server.next()
  t.equal(second.header.authorization, 'Bearer t2')
  second.json({})
  await answer
})

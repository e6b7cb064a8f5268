// The credentials that reach an agent are sent to its API server and appear nowhere else: not in its log, whatever goes
// wrong and however much is logged, not in what its ports answer, not in the configuration that it writes.

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { freeAddress } from '../../bench/load/free-port.ts'
import { temporaryFolder, until } from '../cmd/agent-under-test.ts'
import { run, start } from '../cmd/program.ts'

const token = 'eyJhbGciOiJSUzI1NiJ9.tHe-s3cret-t0ken.c2lnbmF0dXJl'
const password = 'pa55word-of-the-@gent'
const basic = Buffer.from(`admin:${password}`).toString('base64')
const keyText = 'bm90LWEta2V5LWJ1dC1zZWNyZXQ'

/** What must not be found, in any of the forms in which it could be. */
const secrets = [token, password, basic, keyText, 's3cret', 'pa55word'].flatMap(secret => [
  secret,
  Buffer.from(secret).toString('base64').replaceAll('=', ''),
  encodeURIComponent(secret),
])

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void

const json = (response: http.ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** Each with how the server answers. */
const servers: readonly [string, Answer][] = [
  [
    'lists',
    (request, response) => {
      const { searchParams } = new URL(request.url ?? '/', 'http://server')
      if (!searchParams.has('watch'))
        return json(response, 200, { kind: 'List', metadata: { resourceVersion: '1' }, items: [] })
      // Without streaming lists, as an old server; a watch stays open.
      if (searchParams.has('sendInitialEvents'))
        return json(response, 400, {
          kind: 'Status',
          code: 400,
          reason: 'BadRequest',
          message: 'unknown parameter',
        })
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
    },
  ],
  [
    'refuses who asks',
    (_, response) =>
      json(response, 401, { kind: 'Status', code: 401, reason: 'Unauthorized', message: 'Unauthorized' }),
  ],
  [
    'forbids',
    (_, response) =>
      json(response, 403, {
        kind: 'Status',
        code: 403,
        reason: 'Forbidden',
        message: 'services is forbidden',
      }),
  ],
  [
    'is out of order',
    (_, response) => json(response, 500, { kind: 'Status', code: 500, message: 'etcd is gone' }),
  ],
  ['speaks something else', (_, response) => void response.end('<html>not the API server</html>')],
  ['breaks off', request => void request.socket.destroy()],
]

async function startServer(t: Test, answer: Answer) {
  const seen = new Set<string>()
  const server = http.createServer((request, response) => {
    seen.add(request.headers.authorization ?? '')
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

function kubeconfig(server: string, user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  })
}

function findsNone(t: Test, where: string, text: string): void {
  const found = secrets.filter(secret => text.includes(secret))
  t.strictSame(found, [], where)
}

for (const [name, answer] of servers) {
  void test(`an API server that ${name}`, { timeout: 120_000 }, async t => {
    const folder = temporaryFolder(t)
    writeFileSync(`${folder}/token`, token)
    const users = [
      { user: { tokenFile: `${folder}/token` }, header: `Bearer ${token}` },
      { user: { username: 'admin', password }, header: `Basic ${basic}` },
    ]
    await Promise.all(
      users.map(async ({ user, header }, index) => {
        const server = await startServer(t, answer)
        const { port } = await freeAddress('TCP')
        const file = `${folder}/kubeconfig-${index}`
        writeFileSync(file, kubeconfig(server.url, user))
        const agent = start(t, [
          'run',
          `--kubeconfig=${file}`,
          '--hostname-override=node-1',
          '--vip-mode=none',
          '--workers=0',
          '--state-dir=off',
          '--log-level=debug',
          '--log-format=json',
          '--healthz-bind-address=off',
          `--metrics-bind-address=127.77.0.1:${port}`,
          '--shutdown-timeout=0',
        ])
        // The credentials were used, and what came of it is known: the watches wait, or are connected.
        const at = `http://127.77.0.1:${port}`
        const get = async (path: string): Promise<string> =>
          await (await fetch(at + path, { headers: { connection: 'close' } })).text()
        await until('the watches have had their answers', async () => {
          const page = await get('/metrics').catch(() => '')
          const settled = page.match(/state="(?:watching|backing-off)"\} 1/g) ?? []
          return settled.length === 3 ? page : null
        })
        t.ok(server.seen.has(header), 'they are sent')
        for (const path of ['/metrics', '/status', '/configz', '/healthz', '/nothing']) {
          findsNone(t, path, await get(path))
        }
        const shown = await run(t, ['status', `--agent=${at}`])
        findsNone(t, 'kube-relay status', shown.stdout + shown.stderr)
        findsNone(t, 'the command line', readFileSync(`/proc/${agent.child.pid}/cmdline`, 'utf8'))
        agent.child.kill('SIGTERM')
        await agent.exited
        findsNone(t, 'the log', agent.stdout() + agent.stderr())
      }),
    )
  })
}

void test('what is wrong with credentials is said without them', async t => {
  const folder = temporaryFolder(t)
  const server = 'http://127.0.0.1:1'
  writeFileSync(`${folder}/two-tokens`, `${token}\n${token}\n`)
  const cases: readonly [string, string][] = [
    ['a token file with two', kubeconfig(server, { tokenFile: `${folder}/two-tokens` })],
    ['a token with a line break', kubeconfig(server, { token: `${token}\r\nx-evil: 1` })],
    [
      'a key that is none',
      kubeconfig(server, { 'client-certificate-data': keyText, 'client-key-data': keyText }),
    ],
    ['a password without a name', kubeconfig(server, { password })],
    ['a field where it has no place', kubeconfig(server, { token, tokn: token })],
    ['a file that is cut off', kubeconfig(server, { token }).slice(0, -20)],
    ['a URL with a password', kubeconfig(`http://admin:${password}@127.0.0.1:1`, { token })],
    [
      'an exec plugin that prints it',
      kubeconfig(server, {
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          command: 'echo',
          args: [token],
          interactiveMode: 'Never',
        },
      }),
    ],
  ]
  for (const [name, text] of cases) {
    const file = `${folder}/kubeconfig`
    writeFileSync(file, text)
    for (const command of [['check'], ['run', `--write-config-to=${folder}/written`]]) {
      const { stdout, stderr } = await run(t, [...command, `--kubeconfig=${file}`])
      const said = stdout + stderr
      t.not(said, '', name)
      // An exec plugin's arguments are its own affair, but what it prints is not ours to repeat.
      findsNone(t, `${name}: ${command[0]}`, said)
    }
    findsNone(t, `${name}: --write-config-to`, readFileSync(`${folder}/written`, 'utf8'))
  }
})

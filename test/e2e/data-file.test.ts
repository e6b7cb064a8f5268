// A data file on a disk that is really full: a small tmpfs in the run's own mount namespace. Writes are refused, everything
// else goes on, and what was acknowledged is there after a kill.

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { run, startChild, type Child } from './child.ts'
import { freePort, requireSandbox, temporaryFolder } from './sandbox.ts'
import { until } from './until.ts'

requireSandbox()

const folder = temporaryFolder('data-file')
const disk = join(folder.path, 'disk')
mkdirSync(disk)
await run('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', disk])
t.teardown(async () => {
  await run('umount', [disk])
  folder.remove()
})

interface Reply {
  readonly code: number
  readonly text: string
}

interface Server {
  readonly child: Child
  readonly metricsPort: number
  /** The status of a request for a Service, and the body. */
  readonly request: (method: string, name: string, body?: object) => Promise<Reply>
}

async function start(t: Test): Promise<Server> {
  const port = await freePort()
  const metricsPort = await freePort()
  const child = await startChild({
    name: 'kube-relay run',
    command: process.execPath,
    args: [
      resolve(import.meta.dirname, '../../cmd/kube-relay.ts'),
      'run',
      `--data-file=${join(disk, 'objects')}`,
      '--workers=0',
      '--vip-mode=none',
      `--api-bind-address=127.0.0.1:${port}`,
      `--metrics-bind-address=127.0.0.1:${metricsPort}`,
      '--healthz-bind-address=off',
      '--log-format=text',
    ],
  })
  t.teardown(async () => {
    await child.close()
    if (!t.passing()) t.comment(child.tail())
  })
  const request: Server['request'] = async (method, name, body) => {
    const collection = `http://127.0.0.1:${port}/api/v1/namespaces/default/services`
    const response = await fetch(method === 'POST' ? collection : `${collection}/${name}`, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    })
    return { code: response.status, text: await response.text() }
  }
  await until('the API answers', async () => ((await request('GET', '')).code === 200 ? true : undefined), {
    hopeless: () => child.ended(),
    detail: () => child.tail(),
  })
  return { child, metricsPort, request }
}

const service = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, annotations: { filler: 'x'.repeat(2000) } },
  spec: { selector: { app: name }, ports: [{ port: 80 }] },
})

void t.test('a full disk', async t => {
  const { child, metricsPort, request } = await start(t)
  const acknowledged: string[] = []
  let refused: Reply | undefined
  for (let i = 0; refused === undefined && i < 500; i++) {
    const reply = await request('POST', '', service(`s${i}`))
    if (reply.code === 201) acknowledged.push(`s${i}`)
    else refused = reply
  }
  t.equal(refused?.code, 500)
  const { reason, message } = JSON.parse(refused?.text ?? '{}') as { reason: string; message: string }
  t.equal(reason, 'InternalError')
  t.match(message, /the data file .*disk\/objects can't be written \(ENOSPC/)
  t.ok(acknowledged.length > 5, `${acknowledged.length} Services had room`)

  const first = acknowledged[0] ?? ''
  t.equal((await request('GET', `s${acknowledged.length}`)).code, 404, 'what was refused is not there')
  t.equal((await request('GET', first)).code, 200, 'reading goes on')
  t.equal((await fetch(`http://127.0.0.1:${metricsPort}/status`)).status, 200, 'and the agent does')
  t.equal((await request('POST', '', service('again'))).code, 500)
  t.match(child.output(), /ERROR the data file/)

  await run('mount', ['-o', 'remount,size=8m', disk])
  t.equal((await request('POST', '', service('after'))).code, 201, 'with room, writes are accepted again')
  t.equal((await request('DELETE', first)).code, 200)
  t.match(child.output(), /can be written again/)
  await child.kill('SIGKILL')

  const again = await start(t)
  for (const name of [...acknowledged.slice(1), 'after']) {
    t.equal((await again.request('GET', name)).code, 200, name)
  }
  t.equal((await again.request('GET', first)).code, 404)
})

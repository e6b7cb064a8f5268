// Requests of all kinds, valid, mutated and senseless, in random order: each is answered, none of them with a failure of
// the server's own, and what they leave behind is valid, with nothing allocated that no object holds.

import * as fc from 'fast-check'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Agent, request } from 'undici'
import { test } from 'tap'
import type { KubeObject } from '../../../lib/model/objects.ts'
import { silentLog } from '../../../lib/ops/log.ts'
import type { ControlPlane } from '../../../lib/standalone/control-plane.ts'
import type { Service } from '../../../lib/standalone/kinds/api-types.ts'
import { resourceTypes, services } from '../../../lib/standalone/kinds/resources.ts'
import { StatusError } from '../../../lib/standalone/kinds/status.ts'
import { controlPlaneFor, service } from '../builders.ts'
import { call } from '../http-client.ts'
import { anyRequest, wellFormed, type AnyRequest } from './random-requests.ts'

const nodePortRange = { first: 30_000, last: 30_019 }

void test('property: whatever is asked, the server answers, and what it stores is valid', async t => {
  const failures: unknown[] = []
  const log = { ...silentLog, error: (...line: readonly unknown[]) => void failures.push(line) }
  const plane = await controlPlaneFor(t, {
    log,
    nodePortRange,
    nodeName: 'node-1',
    serviceCidrs: ['10.96.0.0/26', 'fd00::/122'],
  })
  const agent = new Agent({ connections: 4 })
  t.teardown(() => agent.close())
  let answered = 0
  await fc.assert(
    fc.asyncProperty(fc.array(anyRequest, { minLength: 10, maxLength: 10 }), async requests => {
      for (const one of requests) {
        const why = await problemWith(plane.url, one, agent)
        if (why !== null) throw new Error(`${one.method} ${one.path} ${JSON.stringify(one.query)}: ${why}`)
        answered++
      }
      await plane.settled()
      if (failures.length > 0)
        throw new Error(`logged: ${failures.map(String).join('; ')}`, { cause: failures[0] })
      checkStored(plane)
      checkAllocations(plane)
    }),
    { numRuns: 150, endOnFailure: true },
  )
  t.ok(answered >= 1500)
  t.equal(({} as { polluted?: unknown }).polluted, undefined, 'no prototype has been changed')
})

void test('bytes that are no HTTP, bodies that never end and watches that nobody reads harm nobody else', async t => {
  const plane = await controlPlaneFor(t)
  const { port, url, registry } = plane
  const all = '/api/v1/namespaces/default/services'
  const starts = [
    'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
    'NONSENSE\r\n\r\n',
    `POST ${all} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"a`,
    `POST ${all} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"met`,
    `POST ${all} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    `GET ${all}?watch=1 HTTP/1.1\r\nhost: localhost\r\n\r\n`,
    'CONNECT a:1 HTTP/1.1\r\nhost: localhost\r\n\r\n',
    `GET ${all} HTTP/1.1\r\nhost: localhost\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n`,
    `GET ${all}/${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
    '\0\xff\xfe',
  ]
  const sockets = Array.from({ length: 5 }, () => starts).flatMap(each =>
    each.map(start => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      socket.write(Buffer.from(start, 'latin1'))
      return socket
    }),
  )
  t.teardown(() => sockets.forEach(socket => socket.destroy()))
  await Promise.all(sockets.map(async socket => socket.connecting && once(socket, 'connect')))
  registry.create(services, service('a'))
  for (let i = 0; i < 20; i++) t.match(await call(`${url}${all}/a`), { code: 200 })
  for (const [i, socket] of sockets.entries()) if (i % 2 === 0) socket.resetAndDestroy()
  registry.delete(services, { namespace: 'default', name: 'a' })
  t.match(await call(`${url}${all}`), { code: 200, body: { items: [] } })
})

void test('hundreds of watches, each with its own selector, get what is theirs', async t => {
  const { url, registry } = await controlPlaneFor(t)
  const agent = new Agent({ connections: null })
  t.teardown(() => agent.destroy())
  const stopped = new AbortController()
  const watches = await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const query = `watch=1&labelSelector=group=g${i % 10}&timeoutSeconds=${i % 2 === 0 ? 10_000_000 : 600}`
      const { body: stream } = await request(`${url}/api/v1/services?${query}`, {
        dispatcher: agent,
        signal: stopped.signal,
      })
      return { group: `g${i % 10}`, lines: linesOf(stream) }
    }),
  )
  for (let i = 0; i < 10; i++) {
    registry.create(services, {
      ...service(`s${i}`),
      metadata: { name: `s${i}`, labels: { group: `g${i}` } },
    })
  }
  const seen = await Promise.all(
    watches.map(async ({ lines }) => {
      const { value } = await lines.next()
      const { type, object } = JSON.parse(String(value)) as { type: string; object: KubeObject }
      return `${type} ${object.metadata.labels?.['group']}`
    }),
  )
  t.strictSame(
    seen,
    watches.map(({ group }) => `ADDED ${group}`),
  )
  stopped.abort()
})

/** What is wrong with how a request is answered; null if nothing is. */
async function problemWith(url: string, one: AnyRequest, dispatcher: Agent): Promise<string | null> {
  const { method, path, query, contentType, accept, body: sent } = one
  const isWatch = query.some(([key]) => key === 'watch')
  const parameters = query.map(([key, value]): [string, string] => [key, wellFormed(value)])
  if (isWatch) parameters.push(['timeoutSeconds', '1'])
  const hasBody = method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS'
  const response = await request(`${url}${path}?${new URLSearchParams(parameters).toString()}`, {
    method,
    dispatcher,
    headers: { accept, ...(contentType === '' ? {} : { 'content-type': contentType }) },
    ...(hasBody ? { body: sent } : {}),
  })
  const { statusCode: code, headers } = response
  if (isWatch && method === 'GET') {
    response.body.on('error', () => undefined).destroy()
    return code < 500 ? null : `${code}`
  }
  const text = await response.body.text()
  // As on the real server, what is used up is its failure.
  if (code >= 500 && !text.includes('range is full') && code !== 504) return `${code} ${text}`
  if (method === 'HEAD' || headers['content-type'] !== 'application/json') return null
  const answer = JSON.parse(text) as {
    readonly kind?: string
    readonly code?: number
    readonly paths?: unknown
  }
  const isStatus = answer.kind === 'Status' && answer.code === code
  return code < 400 || isStatus || answer.paths !== undefined ? null : `${code} without a Status: ${text}`
}

/** Every stored object could be written as it is, and would then be as it is. */
function checkStored({ store, registry }: ControlPlane): void {
  for (const type of resourceTypes) {
    for (const object of store.list(type).items) {
      try {
        registry.update(type, object, { dryRun: true })
      } catch (error) {
        const why = error instanceof StatusError ? error.message : String(error)
        throw new Error(`a stored ${type.kind} is invalid: ${why} in ${JSON.stringify(object)}`, {
          cause: error,
        })
      }
    }
  }
}

/** Node ports that no Service holds can be had, and none that one holds. */
function checkAllocations({ store, registry }: ControlPlane): void {
  const held = new Map<number, string>()
  for (const { spec, metadata } of store.list(services).items as readonly Service[]) {
    // It may say a node port, as with the API server, but has none.
    if (spec.type === 'ExternalName') continue
    const own = new Set([...(spec.ports ?? []).map(({ nodePort }) => nodePort), spec.healthCheckNodePort])
    for (const port of own) {
      if (port === undefined) continue
      const other = held.get(port)
      if (other !== undefined) throw new Error(`${other} and ${metadata.name} have node port ${port}`)
      held.set(port, metadata.name ?? '')
    }
  }
  const { first, last } = nodePortRange
  for (let port = first; port <= last; port++) {
    const probe = service(`probe-${port}`, { type: 'NodePort', ports: [{ port: 80, nodePort: port }] })
    let isFree = true
    try {
      registry.create(services, probe, { dryRun: true })
    } catch (error) {
      if (!String(error).includes('already allocated')) throw error
      isFree = false
    }
    if (isFree !== held.has(port)) continue
    throw new Error(
      `node port ${port} is ${isFree ? `free, and ${held.get(port)} has it` : `held by nobody`}`,
    )
  }
}

async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + Buffer.from(chunk).toString()).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

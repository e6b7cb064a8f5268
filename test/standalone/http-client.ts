// A plain HTTP client for the embedded API server, which knows nothing of list-watch: what is sent is what is seen.

import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { request, type Dispatcher } from 'undici'
import type { Test } from 'tap'
import type { KubeObject } from '../../lib/model/objects.ts'
import type { Status } from '../../lib/standalone/kinds/status.ts'

export interface Reply<T = Record<string, unknown>> {
  readonly code: number
  readonly body: T
}

export interface WatchEvent {
  readonly type: string
  readonly object: KubeObject & Partial<Status>
}

export async function call<T = Record<string, unknown>>(
  url: string,
  method: Dispatcher.HttpMethod = 'GET',
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply<T>> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await request(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: text }),
  })
  const reply = await response.body.text()
  const isJson = String(response.headers['content-type']).startsWith('application/json')
  return { code: response.statusCode, body: (isJson ? JSON.parse(reply) : reply) as T }
}

export interface WatchClient {
  readonly code: number
  /** The next event; undefined once the stream has ended. */
  next(): Promise<WatchEvent | undefined>
  /** The next `count` events as "TYPE namespace/name". */
  take(count: number): Promise<readonly string[]>
  cancel(): void
}

/** Opens a watch, which is cancelled when the test ends. */
export async function watch(
  t: Test,
  url: string,
  headers: Record<string, string> = {},
): Promise<WatchClient> {
  const aborted = new AbortController()
  t.teardown(() => aborted.abort())
  const response = await request(url, { signal: aborted.signal, headers })
  const lines = createInterface({ input: Readable.from(withoutAbort(response.body)) })[Symbol.asyncIterator]()
  const next = async (): Promise<WatchEvent | undefined> => {
    const line = await lines.next()
    return line.done ? undefined : (JSON.parse(line.value) as WatchEvent)
  }
  return {
    code: response.statusCode,
    next,
    async take(count) {
      const events: string[] = []
      while (events.length < count) {
        const event = await next()
        if (!event) break
        const { namespace, name = '' } = event.object.metadata
        events.push(`${event.type} ${namespace === undefined ? name : `${namespace}/${name}`}`)
      }
      return events
    },
    cancel: () => aborted.abort(),
  }
}

/** A stream that we abort ourselves, or that the server resets, has simply ended. */
async function* withoutAbort(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body
  } catch {
    // ended
  }
}

// Requests to the API server as its administrator, for what kubectl would be too slow or too high-level for.

import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import { adminToken } from './kube-apiserver.ts'

export interface ApiResponse {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

export interface Api {
  /** One request; any answer resolves, whatever its status. */
  send(method: string, path: string, body?: unknown, token?: string): Promise<ApiResponse>
  /** Like send, but rejects unless the answer is a success. */
  must(method: string, path: string, body?: unknown): Promise<ApiResponse['body']>
  /** Opens a watch and yields its events until the consumer stops or the server ends it. */
  watch(path: string): AsyncGenerator<{ readonly type: string; readonly object: Record<string, unknown> }>
  close(): Promise<void>
}

export function createApi(server: { readonly url: string; readonly caFile: string }): Api {
  // Read at the first connection: the server writes the file at its first start.
  let agent: Agent | undefined
  const dispatcher = (): Agent => (agent ??= new Agent({ connect: { ca: readFileSync(server.caFile) } }))

  const send: Api['send'] = async (method, path, body, token = adminToken) => {
    const response = await request(`${server.url}${path}`, {
      method,
      dispatcher: dispatcher(),
      headers: { authorization: `Bearer ${token}`, 'content-type': contentType(method) },
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await response.body.text()
    return { status: response.statusCode, body: text.startsWith('{') ? parse(text) : { text } }
  }
  return {
    send,
    must: async (method, path, body) => {
      const response = await send(method, path, body)
      if (response.status < 300) return response.body
      throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(response.body)}`)
    },
    watch: async function* (path) {
      const response = await request(`${server.url}${path}`, {
        dispatcher: dispatcher(),
        headers: { authorization: `Bearer ${adminToken}` },
      })
      let rest = ''
      for await (const chunk of response.body.setEncoding('utf8')) {
        const lines = (rest + String(chunk)).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) yield parse(line) as { type: string; object: Record<string, unknown> }
      }
    },
    close: async () => agent?.destroy(),
  }
}

function contentType(method: string): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
}

function parse(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>
}

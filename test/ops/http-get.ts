// Requests to the servers under test, over real sockets, one connection each.

import http from 'node:http'
import type { Address } from '../../lib/model/address.ts'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export function ask(
  at: Address | null,
  path: string,
  options: { readonly method?: string; readonly body?: string } = {},
): Promise<Answer> {
  if (at === null) throw new Error('the server is not bound')
  const { method = 'GET', body } = options
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: at.ip,
        port: at.port,
        path,
        method,
        agent: false,
        // Node frames bodies of some methods only; the others' would pass for a second, broken request.
        headers: body === undefined ? {} : { 'content-length': Buffer.byteLength(body) },
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        )
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

// A request's body as JSON. It is bounded, and refused unless it says that it is JSON: a web page can make a browser
// send anything to a port of this machine, but not with that content type, nor without an Origin.

import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { badRequest, forbidden, StatusError } from '../kinds/status.ts'

/** The real API server's limit for a request. */
const maxBodyBytes = 3 * 1024 * 1024

/** The parsed body. Throws 400, 413 and 415. `contentTypes` are those that this request may have. */
export async function readJson(
  request: IncomingMessage,
  contentTypes: readonly string[] = ['application/json'],
): Promise<unknown> {
  const contentType = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const text = await readText(request)
  // An empty content type means JSON, as with the real server.
  if (text !== '' && contentType !== '' && !contentTypes.includes(contentType)) {
    throw new StatusError(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${contentTypes.join(', ')}`,
    )
  }
  if (text === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw badRequest(`the object provided is unrecognized: ${(error as Error).message}`)
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) {
      const message = `Request entity too large: limit is ${maxBodyBytes}`
      throw new StatusError(413, 'RequestEntityTooLarge', message)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Refuses what only a browser would send: an Origin, or a Host that is some site's name resolving to this machine
 * (DNS rebinding). The server has no authentication, so this is what keeps web pages out. Throws 403.
 */
export function refuseBrowsers(request: IncomingMessage): void {
  if (request.headers.origin !== undefined) throw forbidden('requests from web pages are not allowed')
  const host = (request.headers.host ?? '').replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
  if (host !== 'localhost' && host !== '' && isIP(host) === 0) {
    throw forbidden(`host "${host}" is not allowed: reach this server by IP address or as localhost`)
  }
}

// Documents as they are sent: bytes of one media type, made once and kept, with an ETag by which clients keep them
// as well.

import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { stringify } from 'yaml'
import { clausesOf, notAcceptable, type Clause } from './negotiation.ts'

export interface Representation {
  readonly contentType: string
  readonly body: Buffer
  readonly etag: string
}

export const json = 'application/json'
export const yaml = 'application/yaml'

const made = new Map<string, Representation>()

/** What `make` makes, which is called once for each key. Only for what never changes while this program runs. */
export function kept(key: string, make: () => Representation): Representation {
  const representation = made.get(key) ?? make()
  made.set(key, representation)
  return representation
}

/** A document as JSON or YAML. */
export function represent(mediaType: string, document: object): Representation {
  const text = mediaType === yaml ? stringify(document) : `${JSON.stringify(document)}\n`
  return representBytes(mediaType, Buffer.from(text))
}

export function representBytes(contentType: string, body: Buffer): Representation {
  return { contentType, body, etag: `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"` }
}

/** The first of the media types that the client accepts, in the client's order. Throws a 406 if it accepts none. */
export function chooseMediaType(accept: string, mediaTypes: readonly string[]): string {
  if (accept.trim() === '') return json
  for (const clause of clausesOf(accept)) {
    const found = clause.parameters.has('as') ? undefined : mediaTypes.find(type => allows(clause, type))
    if (found !== undefined) return found
  }
  throw notAcceptable(`only the following media types are accepted: ${mediaTypes.join(', ')}`)
}

export function allows({ type, subtype }: Clause, mediaType: string): boolean {
  const [wantedType, wantedSubtype] = mediaType.split('/')
  return (type === '*' || type === wantedType) && (subtype === '*' || subtype === wantedSubtype)
}

/** Answers a GET or HEAD: with the document, or with 304 to a client that has it. */
export function sendRepresentation(
  request: IncomingMessage,
  response: ServerResponse,
  { contentType, body, etag }: Representation,
  cacheControl = 'no-cache, private',
): void {
  const headers = { 'cache-control': cacheControl, etag, vary: 'Accept' }
  if (matchesTag(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end()
    return
  }
  response.writeHead(200, { ...headers, 'content-type': contentType, 'content-length': body.length })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function matchesTag(header: string | undefined, etag: string): boolean {
  return (
    header?.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*') ?? false
  )
}

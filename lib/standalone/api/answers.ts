// What requests are answered with, and how that goes over HTTP: in the form that the client asked for (the object, a
// Table of it, only its metadata), as JSON or YAML, and compressed where that is worth it.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { stringify } from 'yaml'
import type { KubeObject } from '../../model/objects.ts'
import { apiVersionOf, type ResourceType } from '../kinds/resources.ts'
import { notAcceptable, type Negotiated } from './negotiation.ts'
import { includeObjectOf, tableOf, tableOfObject, type ListMetadata } from './table.ts'

export interface ObjectAnswer {
  readonly kind: 'object'
  readonly code: number
  readonly type: ResourceType
  readonly object: KubeObject
  /** For the client's user: one Warning header each. */
  readonly warnings?: readonly string[]
}

export interface ListAnswer {
  readonly kind: 'list'
  readonly type: ResourceType
  readonly metadata: ListMetadata
  readonly items: readonly KubeObject[]
}

/** An answer that isn't about objects, as it is. Text and bytes have the content type that their headers say. */
export interface DocumentAnswer {
  readonly kind: 'document'
  readonly code: number
  readonly body: object | string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

export type Answer = ObjectAnswer | ListAnswer | DocumentAnswer

/** The real server's bound: below it, compressing costs more than it saves. */
const minCompressedBytes = 128 * 1024
const maxWarningChars = 256
const maxWarningsBytes = 4096
const gzipAsync = promisify(gzip)

/** An answer's body in the negotiated form. Throws 400 and 406. */
export function bodyOf(
  answer: ObjectAnswer | ListAnswer,
  negotiated: Negotiated,
  query: URLSearchParams,
  now: number,
): object {
  const { as, version } = negotiated
  const { type } = answer
  if (as === 'Table') {
    const options = { version, includeObject: includeObjectOf(query), now }
    return answer.kind === 'object'
      ? tableOfObject(type, answer.object, options)
      : tableOf(type, answer.items, answer.metadata, options)
  }
  if (answer.kind === 'object') {
    if (as === 'PartialObjectMetadataList') {
      throw notAcceptable(`you requested ${as}, but the requested object is not a list (${type.kind})`)
    }
    return as === 'Object' ? answer.object : metadataOnly(answer.object, version)
  }
  if (as === 'PartialObjectMetadata') {
    throw notAcceptable(`you requested ${as}, but the requested object is a list (${type.kind}List)`)
  }
  const { metadata, items } = answer
  if (as === 'Object') {
    // Items say nothing that their list says.
    const bare = items.map(item => {
      const { kind: _, apiVersion: __, ...rest } = item
      return rest
    })
    return { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items: bare }
  }
  return {
    kind: as,
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    items: items.map(item => metadataOnly(item, version)),
  }
}

/** An object's metadata alone, as meta.k8s.io has it. */
export function metadataOnly(object: KubeObject, version: Negotiated['version']): KubeObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: object.metadata,
  }
}

export interface Sending {
  readonly code: number
  readonly body: object | string | Buffer
  readonly headers?: Readonly<Record<string, string>>
  readonly warnings?: readonly string[]
}

/** Writes the answer, or ends the connection if it is too late for one. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  { code, body, headers = {}, warnings = [] }: Sending,
  { format, pretty }: Pick<Negotiated, 'format' | 'pretty'>,
): Promise<void> {
  const isText = typeof body === 'string'
  const isDocument = !isText && !Buffer.isBuffer(body)
  const text = isDocument ? textOf(body, format, pretty) : body
  let bytes = typeof text === 'string' ? Buffer.from(text) : text
  const compressed = bytes.length >= minCompressedBytes && acceptsGzip(request)
  // The fastest level: nearly all there is to gain, at a third of the time.
  if (compressed) bytes = await gzipAsync(bytes, { level: 1 })
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const type = isDocument ? `application/${format}` : 'text/plain; charset=utf-8'
  const warningHeaders = warningsAsHeaders(warnings)
  const allHeaders: OutgoingHttpHeaders = {
    'content-type': type,
    'cache-control': 'no-cache, private',
    ...headers,
    ...(compressed ? { 'content-encoding': 'gzip', vary: 'accept-encoding' } : {}),
    ...(warningHeaders.length > 0 ? { warning: [...warningHeaders] as unknown as string } : {}),
    'content-length': bytes.length,
  }
  response.writeHead(code, allHeaders)
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

function textOf(body: object, format: Negotiated['format'], pretty: boolean): string {
  if (format === 'yaml')
    return stringify(body, { sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false })
  return `${JSON.stringify(body, undefined, pretty ? 2 : undefined)}\n`
}

function acceptsGzip(request: IncomingMessage): boolean {
  const header = request.headers['accept-encoding']
  const encodings = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',')
  return encodings.some(text => /^\s*gzip\s*(;\s*q\s*=\s*(1|0?\.\d*[1-9]).*)?$/i.test(text))
}

/** RFC 7234: `299 - "text"`. Bounded, as headers are for whoever stands between server and client. */
function warningsAsHeaders(warnings: readonly string[]): readonly string[] {
  const headers: string[] = []
  let size = 0
  for (const warning of new Set(warnings)) {
    const shown = warning.length <= maxWarningChars ? warning : `${warning.slice(0, maxWarningChars)}…`
    const quoted = shown.replaceAll(/\p{C}/gu, ' ').replaceAll(/["\\]/g, String.raw`\$&`)
    // Header values are bytes to Node; these are UTF-8's.
    const header = Buffer.from(`299 - "${quoted}"`).toString('latin1')
    size += header.length
    if (size > maxWarningsBytes) break
    headers.push(header)
  }
  return headers
}

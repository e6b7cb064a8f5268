// In front of the real kube-apiserver, for the agents: Services get the fields that Debian's version (1.20) doesn't know
// and so drops. A test keeps them in an annotation as well; here they go back to where newer versions have them. All
// else passes through as it is.

import { readFileSync } from 'node:fs'
import { createServer, request } from 'node:https'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import type { AddressInfo } from 'node:net'

/** JSON, merged into the Service's spec. */
export const specAnnotation = 'e2e.kube-relay.test/spec'

export interface NewerFields {
  readonly url: string
  close(): Promise<void>
}

/** Listens beside the API server, with its certificate, which is in `folder`. */
export async function startNewerFields(apiserverUrl: string, folder: string): Promise<NewerFields> {
  const upstream = new URL(apiserverUrl)
  const cert = readFileSync(join(folder, 'apiserver.crt'))
  const server = createServer({ cert, key: readFileSync(join(folder, 'apiserver.key')) }, (asked, answer) => {
    const { 'accept-encoding': _, ...headers } = asked.headers
    const onward = request(
      {
        host: upstream.hostname,
        port: upstream.port,
        ca: cert,
        method: asked.method,
        path: asked.url,
        headers,
      },
      answered => passOn(asked, answered, answer),
    )
    // As if the API server itself were gone, which it is.
    onward.on('error', () => answer.destroy())
    answer.on('close', () => onward.destroy())
    asked.pipe(onward)
  })
  server.listen(0, upstream.hostname)
  await once(server, 'listening')
  return {
    url: `https://${upstream.hostname}:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function passOn(asked: IncomingMessage, answered: IncomingMessage, answer: ServerResponse): void {
  answered.on('error', () => answer.destroy())
  const { pathname, searchParams } = new URL(asked.url ?? '/', 'https://any')
  const services = pathname === '/api/v1/services' && answered.statusCode === 200
  const headers: OutgoingHttpHeaders = { ...answered.headers }
  if (services) delete headers['content-length']
  answer.writeHead(answered.statusCode ?? 502, headers)
  answer.flushHeaders()
  if (!services) {
    answered.pipe(answer)
    return
  }
  // A watch is a line per event, a list one document without a line break before its end.
  const watch = ['true', '1'].includes(searchParams.get('watch') ?? '')
  const decoder = new StringDecoder('utf8')
  let rest = ''
  answered.on('data', (chunk: Buffer) => {
    rest += decoder.write(chunk)
    if (!watch) return
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) answer.write(`${withNewerFields(line)}\n`)
  })
  answered.on('end', () => answer.end(rest === '' ? '' : withNewerFields(rest)))
}

interface SomeService {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> }
  spec?: object
}

/** The text of a list of Services, or of one watch event. */
function withNewerFields(text: string): string {
  if (!text.includes(specAnnotation)) return text
  const document = JSON.parse(text) as { readonly items?: SomeService[]; readonly object?: SomeService }
  const services = document.items ?? (document.object === undefined ? [] : [document.object])
  for (const service of services) {
    const fields = service.metadata?.annotations?.[specAnnotation]
    if (fields !== undefined) service.spec = { ...service.spec, ...(JSON.parse(fields) as object) }
  }
  return JSON.stringify(document)
}

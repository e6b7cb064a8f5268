// Asks a running agent for its documents, for the commands that are about one.

import { reasonOf, RelayError } from '../lib/model/error.ts'
import type { Refusal } from '../lib/ops/observability-routes.ts'
import type { StatusDocument } from '../lib/ops/status.ts'

export const defaultAgent = 'http://127.0.0.1:10249'

const patienceMs = 10_000

/** `agent`: a URL or IP:PORT. @throws RelayError that says what to do where no agent answers there. */
export async function fetchStatus(agent: string, signal?: AbortSignal): Promise<StatusDocument> {
  return (await fetchDocument(agent, '/status', {}, signal)) as StatusDocument
}

/** As fetchStatus, for any of an agent's paths. A question that means nothing to it is an INVALID_CONFIG. */
export async function fetchDocument(
  agent: string,
  path: string,
  query: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<unknown> {
  const base = /^https?:\/\//.test(agent) ? agent : `http://${agent}`
  if (!URL.canParse(path, base)) {
    throw new RelayError('INVALID_CONFIG', `--agent ${agent} is not a URL such as http://127.0.0.1:10249`)
  }
  const url = new URL(path, base)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const response = await ask(url, signal)
  const document = await read(url, response)
  if (response.ok && isDocument(document)) return document
  if (response.ok) throw new RelayError('API', `${url.href} is not what an agent answers: ${unfit(path)}`)
  if (response.status === 404 && isRefusal(document)) throw new RelayError('INVALID_CONFIG', document.error)
  throw new RelayError('API', `${url.href} answered ${response.status}: ${unfit(path)}`)
}

async function ask(url: URL, signal: AbortSignal | undefined): Promise<Response> {
  const timeout = AbortSignal.timeout(patienceMs)
  try {
    return await fetch(url, {
      // One question: the next may be for another agent, in this one's place.
      headers: { connection: 'close' },
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    })
  } catch (error) {
    throw new RelayError(
      'UNREACHABLE',
      `no agent answers at ${url.origin}: is kube-relay running here, with this --metrics-bind-address?`,
      { cause: error },
    )
  }
}

/** undefined: an error that isn't JSON, which its status tells enough of. */
async function read(url: URL, response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch (error) {
    if (!response.ok) return undefined
    if (!(error instanceof SyntaxError)) {
      throw new RelayError(
        'UNREACHABLE',
        `the answer of ${url.href} was not received whole: ${reasonOf(error)}`,
        {
          cause: error,
        },
      )
    }
    throw new RelayError('API', `${url.href} did not answer with JSON: is that a kube-relay agent?`, {
      cause: error,
    })
  }
}

/** What all of them have: something else may answer with JSON, too. */
function isDocument(document: unknown): boolean {
  const { node, generation } = (document ?? {}) as Partial<StatusDocument>
  return typeof node === 'string' && typeof generation === 'number'
}

function isRefusal(document: unknown): document is Refusal {
  return (
    typeof document === 'object' &&
    document !== null &&
    typeof (document as Partial<Refusal>).error === 'string'
  )
}

function unfit(path: string): string {
  return path === '/status'
    ? 'is that a kube-relay agent?'
    : 'is that a kube-relay agent, and one of this version?'
}

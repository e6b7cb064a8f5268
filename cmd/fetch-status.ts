// Asks a running agent for its status document, for the commands that are about one.

import { RelayError } from '../lib/model/error.ts'
import type { StatusDocument } from '../lib/ops/status.ts'

export const defaultAgent = 'http://127.0.0.1:10249'

/** `agent`: a URL or IP:PORT. @throws RelayError that says what to do where no agent answers there. */
export async function fetchStatus(agent: string): Promise<StatusDocument> {
  const base = /^https?:\/\//.test(agent) ? agent : `http://${agent}`
  if (!URL.canParse('/status', base)) {
    throw new RelayError('INVALID_CONFIG', `--agent ${agent} is not a URL such as http://127.0.0.1:10249`)
  }
  const url = new URL('/status', base)
  let response: Response
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  } catch (error) {
    throw new RelayError(
      'UNREACHABLE',
      `no agent answers at ${url.origin}: is kube-relay running here, with this --metrics-bind-address?`,
      { cause: error },
    )
  }
  if (!response.ok) {
    throw new RelayError('API', `${url.href} answered ${response.status}: is that a kube-relay agent?`)
  }
  try {
    return (await response.json()) as StatusDocument
  } catch (error) {
    throw new RelayError('API', `${url.href} did not answer with JSON: is that a kube-relay agent?`, {
      cause: error,
    })
  }
}

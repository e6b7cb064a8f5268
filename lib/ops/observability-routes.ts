// What an agent answers on --metrics-bind-address: kube-proxy's four paths, our status and readiness, and closer looks at one
// Service or address.

import { RelayError } from '../model/error.ts'
import type { Explanation } from './explanation.ts'
import { jsonAnswer, largeJsonAnswer, type HttpAnswer, type HttpRoutes } from './http-server.ts'
import type { ServiceDetail } from './service-detail.ts'
import type { AgentProcess, StatusDocument } from './status.ts'

export interface ObservabilityOptions {
  readonly metrics: () => Promise<HttpAnswer>
  readonly status: () => Promise<StatusDocument>
  readonly readiness: () => Readiness
  readonly inspection: Inspection
  /** The configuration in effect, in the shape of a KubeProxyConfiguration. Secrets don't belong in it. */
  readonly configuration: () => unknown
}

/** What /readyz answers: with 200 where `ready`, else with 503. */
export interface Readiness {
  /** A whole table is served, wherever it is from: whoever served before may go. */
  readonly ready: boolean
  /** Who answers: two agents may share the port, as during a rolling update. Absent where it isn't known. */
  readonly agent?: Pick<AgentProcess, 'pid' | 'pidScope' | 'startedAt'>
}

/** Closer looks, for whoever asks; both reject with an INVALID_CONFIG that says what is wrong with the question. */
export interface Inspection {
  /** `name`: "name", "namespace/name" or "namespace/name:port". */
  service(name: string): Promise<ServiceDetail>
  explain(question: ExplainQuestion): Promise<Explanation>
}

/** As it was typed. */
export interface ExplainQuestion {
  readonly address: string
  readonly protocol: string
  readonly client: string | null
}

/** What was asked for isn't there, or means nothing: said in the same shape by both. */
export interface Refusal {
  readonly error: string
}

/** What /proxyMode answers. Old versions of kube-proxy used the same word for the same thing. */
export const proxyMode = 'userspace'

/**
 * The routes of the metrics server. /healthz says `ok` as long as the process answers, as kube-proxy's does on this
 * port; what load balancers and probes need is on the health port.
 */
export function observabilityRoutes(options: ObservabilityOptions): HttpRoutes {
  const { metrics, status, readiness, inspection, configuration } = options
  return {
    '/metrics': metrics,
    '/healthz': async () => textAnswer('ok'),
    '/readyz': async () => {
      const answer = readiness()
      return jsonAnswer(answer, answer.ready ? 200 : 503)
    },
    '/proxyMode': async () => textAnswer(proxyMode),
    '/configz': async () => jsonAnswer({ 'kubeproxy.config.k8s.io': configuration() }),
    '/status': async () => largeJsonAnswer(await status()),
    '/status/service': query => answerOrRefuse(() => inspection.service(query.get('name') ?? '')),
    '/explain': query =>
      answerOrRefuse(() =>
        inspection.explain({
          address: query.get('address') ?? '',
          protocol: query.get('protocol') ?? 'tcp',
          client: query.get('client'),
        }),
      ),
  }
}

function textAnswer(body: string): HttpAnswer {
  return { status: 200, contentType: 'text/plain; charset=utf-8', body }
}

async function answerOrRefuse(answer: () => Promise<unknown>): Promise<HttpAnswer> {
  try {
    return jsonAnswer(await answer())
  } catch (error) {
    if (!(error instanceof RelayError) || error.code !== 'INVALID_CONFIG') throw error
    return jsonAnswer({ error: error.message } satisfies Refusal, 404)
  }
}

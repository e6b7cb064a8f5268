// What an agent answers on --metrics-bind-address: kube-proxy's four paths and our status.

import { jsonAnswer, type HttpAnswer, type HttpRoutes } from './http-server.ts'
import type { StatusDocument } from './status.ts'

export interface ObservabilityOptions {
  readonly metrics: () => Promise<HttpAnswer>
  readonly status: () => Promise<StatusDocument>
  /** The configuration in effect, in the shape of a KubeProxyConfiguration. Secrets don't belong in it. */
  readonly configuration: () => unknown
}

/** What /proxyMode answers. Old versions of kube-proxy used the same word for the same thing. */
export const proxyMode = 'userspace'

/**
 * The routes of the metrics server. /healthz says `ok` as long as the process answers, as kube-proxy's does on this
 * port; what load balancers and probes need is on the health port.
 */
export function observabilityRoutes({ metrics, status, configuration }: ObservabilityOptions): HttpRoutes {
  return {
    '/metrics': metrics,
    '/healthz': async () => textAnswer('ok'),
    '/proxyMode': async () => textAnswer(proxyMode),
    '/configz': async () => jsonAnswer({ 'kubeproxy.config.k8s.io': configuration() }),
    '/status': async () => jsonAnswer(await status()),
  }
}

function textAnswer(body: string): HttpAnswer {
  return { status: 200, contentType: 'text/plain; charset=utf-8', body }
}

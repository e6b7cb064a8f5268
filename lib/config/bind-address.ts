// Where one of the agent's own HTTP servers listens, as kube-proxy's flags and fields write it: "IP:PORT" or an IP
// alone, which takes the server's default port.

import { canonicalIp, isPort, type Address } from '../model/address.ts'

export const metricsPort = 10_249
export const healthzPort = 10_256

/** For messages: "must be …". */
export const bindAddressExample = 'IP:PORT such as 127.0.0.1:10249 or [::1]:10249'

/** Null for a text that is no address. Port 0 asks the system for a free one. */
export function readBindAddress(text: string, defaultPort: number): Address | null {
  const alone = ipOf(text)
  if (alone !== null) return { ip: alone, port: defaultPort }
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text)
  const ip = ipOf(match?.[1] ?? match?.[2] ?? '')
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  return ip === null || (port !== 0 && !isPort(port)) ? null : { ip, port }
}

function ipOf(text: string): string | null {
  return text === 'localhost' ? '127.0.0.1' : canonicalIp(text)
}

/** kube-proxy's defaults for its two servers, which follow the family of --bind-address. */
export function defaultBindAddresses(bindAddress: string): {
  readonly healthz: Address
  readonly metrics: Address
} {
  const [any, loopback] = bindAddress.includes(':') ? ['::', '::1'] : ['0.0.0.0', '127.0.0.1']
  return { healthz: { ip: any, port: healthzPort }, metrics: { ip: loopback, port: metricsPort } }
}

// The frontends of a service port that are its to open, each with the key that the data plane has it under. One in
// conflict is somebody else's, or nobody's.

import { formatAddress, type Protocol } from '../model/address.ts'
import type { Frontend, ServicePort } from '../model/proxy-table.ts'
import type { ListenAddress } from './engine.ts'

export interface OwnFrontend {
  /** "TCP/10.96.0.1:80", or "TCP VIP/10.96.0.1:80" */
  readonly key: string
  readonly frontend: Frontend
}

export function ownFrontends(port: ServicePort): readonly OwnFrontend[] {
  const own: OwnFrontend[] = []
  for (const frontend of port.frontends) {
    if (frontend.conflict === undefined) own.push({ key: frontendKey(port.protocol, frontend), frontend })
  }
  return own
}

/** Without the protocol: as status has it. */
export function addressOfKey(key: string): string {
  return key.slice(key.indexOf('/') + 1)
}

/** An address that becomes a VIP, or ceases to be one, is another frontend from then on: its listener is elsewhere. */
function frontendKey(protocol: Protocol, { ip, port, vip }: ListenAddress): string {
  return `${protocol}${vip ? ' VIP' : ''}/${formatAddress(ip, port)}`
}

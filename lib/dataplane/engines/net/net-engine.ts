// The engine on node:net and node:dgram: public API only, on every platform that Node runs on.

import type { Engine, ListenAddress } from '../../engine.ts'
import { asSocket, resetSocket, withoutZone } from './conn.ts'
import { namespaceNumber } from './namespace.ts'
import { NetRelay } from './relay.ts'
import { dialTcp } from './tcp-dial.ts'
import { NetTcpListener } from './tcp-listener.ts'
import { bindUdp, connectUdp, openUdp } from './udp.ts'

export interface NetEngineOptions {
  /** The path of the network namespace that has the VIPs; null: they are in this process's own. */
  readonly vipNamespace: string | null
}

export function createNetEngine({ vipNamespace }: NetEngineOptions): Engine {
  const namespaceOf = (at: ListenAddress): string | null => (at.vip ? vipNamespace : null)
  return {
    name: 'net',
    vipNetwork: () => (vipNamespace === null ? null : namespaceNumber(vipNamespace)),
    listenTcp: (at, onConnection, onError) =>
      NetTcpListener.open(at, { onConnection, onError }, namespaceOf(at)),
    dialTcp,
    relay: (client, upstream, options, done) =>
      new NetRelay(asSocket(client), asSocket(upstream), options, done),
    localAddress: conn => {
      const { localAddress, localPort } = asSocket(conn)
      return localAddress === undefined || localPort === undefined
        ? null
        : { ip: withoutZone(localAddress), port: localPort }
    },
    reset: conn => resetSocket(asSocket(conn)),
    bindUdp: (at, onDatagram, onError) => bindUdp(at, onDatagram, onError, namespaceOf(at)),
    openUdp,
    connectUdp: (at, client, onDatagram, onError) =>
      connectUdp(at, client, onDatagram, onError, namespaceOf(at)),
  }
}

// The engine on node:net and node:dgram: public API only, on every platform that Node runs on.

import type { Engine } from '../../engine.ts'
import { asSocket, resetSocket, withoutZone } from './conn.ts'
import { NetRelay } from './relay.ts'
import { dialTcp } from './tcp-dial.ts'
import { NetTcpListener } from './tcp-listener.ts'
import { bindUdp, connectUdp, openUdp } from './udp.ts'

export const netEngine: Engine = {
  name: 'net',
  listenTcp: (at, onConnection, onError) => NetTcpListener.open(at, { onConnection, onError }),
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
  bindUdp,
  openUdp,
  connectUdp,
}

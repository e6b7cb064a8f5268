// A process that uses a data plane in every way, closes it, and must end by itself then.

import net from 'node:net'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { LocalDataPlane } from '../../lib/dataplane/local-data-plane.ts'
import { parseAddress } from '../../lib/model/address.ts'
import { engineNamed } from './engines.ts'
import { defaultOptions } from './plane-options.ts'
import { snapshot, tcpService, udpService } from './table.ts'

const frontend = process.env['FRONTEND'] ?? ''
const { ip, port } = parseAddress(frontend)

const server = net
  .createServer(socket => void socket.on('error', () => {}).pipe(socket))
  .listen(0, '127.0.0.1')
await once(server, 'listening')
const endpoint = `127.0.0.1:${(server.address() as net.AddressInfo).port}`
const endpointUdp = dgram.createSocket('udp4').bind(0, '127.0.0.1')
await once(endpointUdp, 'listening')
endpointUdp.on('message', (data, from) => endpointUdp.send(data, from.port, from.address))

const plane = new LocalDataPlane({ ...defaultOptions, engine: engineNamed(process.env['ENGINE']) })
await plane.apply(
  snapshot(
    1,
    tcpService(frontend, [endpoint]),
    udpService(frontend, [`127.0.0.1:${endpointUdp.address().port}`]),
    tcpService('192.0.2.1:80', [endpoint], { name: 'never-bound' }),
  ),
)

const client = net.connect({ host: ip, port })
client.on('error', () => {})
client.write('hello')
await once(client, 'data')
const clientUdp = dgram.createSocket('udp4')
clientUdp.send('hello', port, ip)
await once(clientUdp, 'message')

await plane.close()
server.close()
endpointUdp.close()
clientUdp.close()
process.stdout.write('served, closed\n')

// What runs in a test pod: answers every line (TCP) and every datagram (UDP) with the pod's name and what came.
// Usage: node pod-server.ts NAME ADDRESS PORT

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [name = '', address = '', port = ''] = process.argv.slice(2)

const server = createServer({ allowHalfOpen: true }, socket => {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) socket.write(`${name} ${line}\n`)
  })
  socket.on('end', () => socket.end())
  socket.on('error', () => socket.destroy())
})
const udp = createSocket('udp4')
udp.on('message', (message, peer) => udp.send(`${name} ${message.toString()}`, peer.port, peer.address))

server.listen(Number(port), address)
udp.bind(Number(port), address)
await Promise.all([once(server, 'listening'), once(udp, 'listening')])
process.stdout.write('ready\n')

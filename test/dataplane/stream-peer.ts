// A process of its own at one end of a connection: it sends or receives a lot, on command, so that the memory of
// the process under test is the data plane's alone. Commands and reports are IPC messages.

import net from 'node:net'
import { crc32 } from 'node:zlib'

export type PeerCommand =
  | { readonly type: 'listen'; readonly host: string }
  | { readonly type: 'connect'; readonly ip: string; readonly port: number }
  | { readonly type: 'send'; readonly bytes: number }
  | { readonly type: 'receive' }

export type PeerReport =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'connected' }
  /** While sending: what has left this process, told whenever it has changed and once more when it hasn't. */
  | { readonly type: 'progress'; readonly sent: number }
  | { readonly type: 'done'; readonly bytes: number; readonly checksum: number }

const block = 1 << 16
let socket: net.Socket | null = null

process.on('message', (command: PeerCommand) => {
  if (command.type === 'listen') listen(command.host)
  else if (command.type === 'connect') use(net.connect({ host: command.ip, port: command.port }))
  else if (socket === null) throw new Error('not connected')
  else if (command.type === 'send') send(socket, command.bytes)
  else receive(socket)
})
process.on('disconnect', () => process.exit())

function listen(host: string): void {
  const server = net.createServer({ pauseOnConnect: true }, use)
  server.listen(0, host, () =>
    report({ type: 'listening', port: (server.address() as net.AddressInfo).port }),
  )
}

function use(connected: net.Socket): void {
  socket = connected
  if (connected.connecting) connected.once('connect', () => report({ type: 'connected' }))
  else report({ type: 'connected' })
}

/** Each block is numbered, so that one that is lost, doubled or out of order changes the checksum. */
function send(to: net.Socket, total: number): void {
  let checksum = 0
  let made = 0
  const progress = setInterval(() => report({ type: 'progress', sent: made - to.writableLength }), 250)
  const more = (): void => {
    while (made < total) {
      const data = Buffer.alloc(Math.min(block, total - made), made / block)
      data.writeDoubleLE(made)
      checksum = crc32(data, checksum)
      made += data.length
      if (!to.write(data)) return void to.once('drain', more)
    }
    to.end(() => {
      clearInterval(progress)
      report({ type: 'done', bytes: total, checksum })
    })
  }
  more()
}

function receive(from: net.Socket): void {
  let checksum = 0
  let bytes = 0
  from.on('data', (data: Buffer) => {
    checksum = crc32(data, checksum)
    bytes += data.length
  })
  from.on('end', () => report({ type: 'done', bytes, checksum }))
  from.resume()
}

function report(message: PeerReport): void {
  process.send?.(message)
}

// The program in a sample pod: over HTTP it answers every GET with its name, over UDP every datagram with its name
// and the datagram. It is a process of its own, so that killing it is what the death of a pod is, and it ends when
// the process that started it does, however that one ends.

import { createSocket, type Socket } from 'node:dgram'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { formatAddress } from '../../model/address.ts'
import { reasonOf, RelayError } from '../../model/error.ts'
import type { ListeningPort } from '../kinds/api-types.ts'

export interface SamplePodOptions {
  readonly name: string
  readonly address: string
  readonly tcpPorts: readonly number[]
  readonly udpPorts: readonly number[]
}

/** What a sample pod tells the process that started it, once it answers on all its ports. */
export interface SamplePodReady {
  readonly type: 'listening'
  /** Only the ports that it has somewhere else than asked. */
  readonly elsewhere: readonly ListeningPort[]
}

/** Where a port below 1024 goes when it can't be had: 80 becomes 8080. */
export const unprivilegedOffset = 8000

const maxDatagramBytes = 65_507

/**
 * Runs a sample pod until the signal fires or, in a process started with an IPC channel, until that closes. Throws
 * ADDRESS when a port can't be listened on.
 */
export async function runSamplePod(options: SamplePodOptions, signal: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const onStop = (): void => stop.abort()
  // The other end of the channel closes with its process, also when that is killed.
  process.once('disconnect', onStop)
  signal.addEventListener('abort', onStop, { once: true })
  if (signal.aborted) onStop()
  try {
    await using pod = await startSamplePod(options)
    const ready: SamplePodReady = { type: 'listening', elsewhere: pod.elsewhere }
    // The parent may have gone just now; 'disconnect' then ends this, too.
    process.send?.(ready, undefined, undefined, () => undefined)
    if (!stop.signal.aborted) await new Promise(resolve => stop.signal.addEventListener('abort', resolve))
  } finally {
    process.off('disconnect', onStop)
    signal.removeEventListener('abort', onStop)
  }
}

/** A sample pod inside this process. */
export async function startSamplePod(
  options: SamplePodOptions,
): Promise<AsyncDisposable & { readonly elsewhere: readonly ListeningPort[] }> {
  const { name, address, tcpPorts, udpPorts } = options
  await using opened = new AsyncDisposableStack()
  const elsewhere: ListeningPort[] = []
  const listen = async (protocol: 'TCP' | 'UDP', port: number): Promise<void> => {
    const start = protocol === 'TCP' ? listenHttp : listenUdp
    const actual = await withFallback(port, at => start(name, address, at, opened)).catch(
      (error: unknown) => {
        const message = `sample pod ${name} can't listen on ${formatAddress(address, port)}/${protocol} (${reasonOf(error)})`
        throw new RelayError('ADDRESS', message, { cause: error })
      },
    )
    if (actual !== port) elsewhere.push({ protocol, containerPort: port, port: actual })
  }
  for (const port of tcpPorts) await listen('TCP', port)
  for (const port of udpPorts) await listen('UDP', port)
  const listening = opened.move()
  return { elsewhere, [Symbol.asyncDispose]: () => listening.disposeAsync() }
}

/**
 * Tries the port itself and, where that is a well-known one that this user may not have (EACCES) or that a server of
 * this machine has on all addresses (EADDRINUSE), the one that takes its place.
 */
export async function withFallback(port: number, listen: (port: number) => Promise<void>): Promise<number> {
  try {
    await listen(port)
    return port
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (port >= 1024 || (code !== 'EACCES' && code !== 'EADDRINUSE')) throw error
    await listen(port + unprivilegedOffset)
    return port + unprivilegedOffset
  }
}

async function listenHttp(
  name: string,
  address: string,
  port: number,
  opened: AsyncDisposableStack,
): Promise<void> {
  const server = createServer((request, response) => answer(name, request, response))
  await listening(server, () => server.listen({ host: address, port }))
  opened.defer(
    () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
}

function answer(name: string, request: IncomingMessage, response: ServerResponse): void {
  const allowed = request.method === 'GET' || request.method === 'HEAD'
  const body = allowed ? `${name}\n` : 'only GET is answered here\n'
  response.writeHead(allowed ? 200 : 405, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(allowed ? {} : { allow: 'GET, HEAD' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
  request.resume()
}

async function listenUdp(
  name: string,
  address: string,
  port: number,
  opened: AsyncDisposableStack,
): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  const prefix = Buffer.from(`${name}: `)
  socket.on('message', (datagram, peer) => {
    const reply = Buffer.concat([prefix, datagram]).subarray(0, maxDatagramBytes)
    socket.send(reply, peer.port, peer.address, () => undefined)
  })
  await listening(socket, () => socket.bind({ port, address, exclusive: true }))
  opened.defer(() => new Promise<void>(resolve => socket.close(() => resolve())))
}

function listening(listener: Server | Socket, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.once('listening', () => {
      listener.off('error', reject)
      // An ICMP error for an earlier reply surfaces here; it concerns that client alone.
      listener.on('error', () => undefined)
      resolve()
    })
    start()
  })
}

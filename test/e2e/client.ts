// Clients of Services: one request at a time, over TCP or UDP, answered by a test pod with its name.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Target {
  readonly protocol: 'TCP' | 'UDP'
  readonly address: string
  readonly port: number
}

export interface Answer {
  /** The name of the pod that answered. */
  readonly pod: string
  readonly text: string
}

/** How long a request may take, which is far longer than any should: what passes it has failed. */
const requestTimeoutMs = 20_000

/** "TCP 10.96.0.1:80" */
export function targetName({ protocol, address, port }: Target): string {
  return `${protocol} ${address}:${port}`
}

/** Connects (or makes a socket), sends one message, resolves to the answer and closes. Rejects with the errno. */
export async function ask(target: Target, message: string): Promise<Answer> {
  return target.protocol === 'TCP' ? askTcp(target, message) : askUdp(target, message)
}

/** The pods that answered `count` requests, one after the other. */
export async function askTimes(target: Target, count: number): Promise<readonly string[]> {
  const pods: string[] = []
  for (let i = 0; i < count; i++) pods.push((await ask(target, `request ${i}`)).pod)
  return pods
}

/** The errno with which a request fails; undefined if it is answered. */
export async function failureOf(target: Target): Promise<string | undefined> {
  try {
    await ask(target, 'hello')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

async function askTcp(target: Target, message: string): Promise<Answer> {
  const connection = await openTcp(target)
  try {
    return await connection.ask(message)
  } finally {
    connection.close()
  }
}

export interface TcpConnection {
  ask(message: string): Promise<Answer>
  close(): void
}

/** A TCP connection that takes one request after the other. Rejects if it can't be made. */
export async function openTcp(target: Target): Promise<TcpConnection> {
  const socket = connect({ host: target.address, port: target.port })
  socket.setEncoding('utf8').setNoDelay(true).setTimeout(requestTimeoutMs)
  socket.on('timeout', () => socket.destroy(timedOut(target)))
  await once(socket, 'connect')
  // What ends the connection between two requests fails the next one.
  let end: Error | undefined
  socket.on('error', error => (end ??= error))
  socket.on('end', () => (end ??= withCode('EOF', `${targetName(target)} ended the connection`)))
  return {
    ask: async message => {
      if (end !== undefined) throw end
      return askOn(socket, message)
    },
    close: () => {
      socket.end()
    },
  }
}

async function askOn(socket: Socket, message: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  const onData = (chunk: string): void => {
    text += chunk
    if (text.endsWith('\n')) resolve(text)
  }
  const onEnd = (): void => reject(withCode('EOF', `ended after ${JSON.stringify(text)}`))
  socket.on('data', onData).on('end', onEnd).on('error', reject)
  socket.write(`${message}\n`)
  try {
    return parseAnswer(await promise, message)
  } finally {
    socket.off('data', onData).off('end', onEnd).off('error', reject)
  }
}

async function askUdp(target: Target, message: string): Promise<Answer> {
  const socket = createSocket('udp4')
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timer = setTimeout(() => reject(timedOut(target)), requestTimeoutMs)
  // A connected socket takes answers from the target's address only, and hears of a closed port.
  socket.connect(target.port, target.address, () => {
    socket.send(message, error => {
      if (error) reject(error)
    })
  })
  socket.on('message', data => resolve(data.toString()))
  socket.on('error', reject)
  try {
    return parseAnswer(await promise, message)
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}

function parseAnswer(answer: string, message: string): Answer {
  const line = answer.trimEnd()
  const space = line.indexOf(' ')
  const text = line.slice(space + 1)
  if (text !== message) throw new Error(`asked ${JSON.stringify(message)}, got ${JSON.stringify(answer)}`)
  return { pod: line.slice(0, space), text }
}

function timedOut(target: Target): Error {
  return withCode('ETIMEDOUT', `${targetName(target)}: no answer within ${requestTimeoutMs / 1000} s`)
}

function withCode(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}

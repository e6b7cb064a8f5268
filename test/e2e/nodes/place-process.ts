// What runs in each network namespace of the cluster, as its only lasting process: the servers of a pod (or of a node's
// own network), and the probes that ask from there. It does what the test process tells it, and ends with it.

import { get } from 'node:http'
import type { Command, HttpResult, ReplyMessage, RequestMessage } from './place-protocol.ts'
import { openProbe, probeOnce, type OpenProbe } from './prober.ts'
import { startServer, type RunningServer } from './servers.ts'
import { startTraffic, type Traffic } from './traffic.ts'

let lastNumber = 0
const probes = new Map<number, OpenProbe>()
const servers = new Map<number, RunningServer>()
const traffics = new Map<number, Traffic>()

async function execute(command: Command): Promise<unknown> {
  switch (command.op) {
    case 'probe':
      return probeOnce(command.target, command.options)
    case 'open': {
      const opened = await openProbe(command.target, command.options)
      if ('outcome' in opened) return opened
      const probe = ++lastNumber
      probes.set(probe, opened)
      return { probe }
    }
    case 'ask': {
      const probe = probes.get(command.probe)
      if (probe === undefined) throw new Error(`probe ${command.probe} is closed: open another one`)
      return probe.ask(command.timeoutMs)
    }
    case 'close':
      probes.get(command.probe)?.close()
      probes.delete(command.probe)
      return null
    case 'traffic': {
      const traffic = ++lastNumber
      traffics.set(traffic, await startTraffic(command.target, command.options))
      return { traffic }
    }
    case 'report': {
      const traffic = traffics.get(command.traffic)
      if (traffic === undefined) throw new Error(`traffic ${command.traffic} has been stopped: start another`)
      if (!command.stop) return traffic.report()
      traffics.delete(command.traffic)
      return traffic.stop()
    }
    case 'serve': {
      const server = await startServer(command)
      const serving = ++lastNumber
      servers.set(serving, server)
      return { serving }
    }
    case 'unserve': {
      const server = servers.get(command.serving)
      servers.delete(command.serving)
      await server?.stop()
      return null
    }
    case 'http':
      return fetchOnce(command.url, command.timeoutMs)
    default:
      throw new Error(`unknown command ${JSON.stringify(command)}`)
  }
}

/** A GET on a connection of its own, so that no earlier one decides who answers. */
function fetchOnce(url: string, timeoutMs: number): Promise<HttpResult> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpResult>()
  const request = get(url, { agent: false, timeout: timeoutMs }, response => {
    let body = ''
    response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    response.on('error', reject)
    response.on('end', () => {
      const headers = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const)
      resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(headers), body })
    })
  })
  request.on('timeout', () => request.destroy(new Error(`${url}: no answer within ${timeoutMs / 1000} s`)))
  request.on('error', reject)
  return promise
}

function reply(message: ReplyMessage): void {
  // Without the channel nobody waits for it.
  if (process.connected) process.send?.(message)
}

process.on('message', ({ id, command }: RequestMessage) => {
  execute(command).then(
    value => reply({ id, value }),
    (error: unknown) => reply({ id, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

// What a kubelet does all the time: asks the health port, on a connection each. Two agents may share it, and either's answer
// counts for the pod that is asked.

import http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Owner } from './owner.ts'

export interface Probes {
  /** Ends them; resolves with what wasn't answered with 200, and how many were. */
  stop(): Promise<{ readonly answered: number; readonly failed: readonly string[] }>
}

const everyMs = 20
/** A kubelet's own by default is 1 s; a busy machine must not fail a test. */
const timeoutMs = 20_000

export function startProbes(owner: Owner, port: number): Probes {
  let answered = 0
  const stopping = new AbortController()
  const failed: string[] = []
  const probe = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      for (const path of ['/livez', '/healthz']) {
        const outcome = await get(port, path)
        if (outcome === '200') answered++
        else failed.push(`${path}: ${outcome}`)
      }
      await delay(everyMs)
    }
  }
  const probing = probe()
  const stop = async (): ReturnType<Probes['stop']> => {
    stopping.abort()
    await probing
    return { answered, failed }
  }
  owner.teardown(stop)
  return { stop }
}

/** Resolves with the status, or with what became of the connection. */
function get(port: number, path: string): Promise<string> {
  return new Promise(resolve => {
    const request = http.get(
      { host: '127.0.0.1', port, path, agent: false, timeout: timeoutMs },
      response => {
        response.resume()
        response.on('end', () => resolve(String(response.statusCode)))
        response.on('error', error => resolve(error.message))
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', error => resolve(error.message))
  })
}

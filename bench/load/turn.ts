// One contestant's turn: the server listens, the contestant is started in front of it, and both are gone afterwards,
// however the turn ends: done, failed, stopped by a person, or because the contestant died in it.

import { reasonOf, RelayError } from '../../lib/model/error.ts'
import type { Address } from '../../lib/model/address.ts'
import type { Contestant, RunningContestant } from '../contestant.ts'
import type { RoundOptions } from '../scenario.ts'
import { freeAddress, serverIp } from './free-port.ts'
import type { ServeOptions } from './server.ts'
import type { LoadTools } from './tools.ts'
import type { Measured } from './window.ts'

export interface Turn extends Measured {
  /** Where clients connect to. */
  readonly target: Address
}

/** Our own server, or the start of another one, for TCP, that whoever starts it also ends. */
export type ServerChoice = Omit<ServeOptions, 'host'> | (() => Promise<Address>)

/** @throws BENCH with the contestant's name; ABORTED when the signal fires. */
export async function takeTurn<T>(
  tools: LoadTools,
  contestant: Contestant,
  serve: ServerChoice,
  options: Pick<RoundOptions, 'threads' | 'signal'>,
  measure: (turn: Turn) => Promise<T>,
): Promise<T> {
  const { threads } = options
  const [server, generator] = await Promise.all([tools.server(), tools.generator()])
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const ownPort =
    typeof serve === 'function'
      ? null
      : ((await server.call('serve', { ...serve, host: serverIp })) as number)
  const protocol = typeof serve === 'object' && serve.kind === 'udp' ? 'UDP' : 'TCP'
  let running: RunningContestant | null = null
  try {
    throwIfAborted(options.signal)
    const address = typeof serve === 'function' ? await serve() : { ip: serverIp, port: ownPort ?? 0 }
    running = await startInFront(contestant, protocol, address, threads)
    const [target] = running.listens
    if (target === undefined) throw new RelayError('BENCH', 'it has no address that clients could connect to')
    await tools.pinning.pin(running.pids(), 'proxy')
    throwIfAborted(options.signal)
    const measuring = measure({
      running,
      target,
      threads,
      server,
      generator,
      cores: tools.pinning.sets,
      signal,
    })
    try {
      return await Promise.race([measuring, running.ended])
    } finally {
      failed.abort()
      await generator.call('stop').catch(() => {})
      await Promise.allSettled([measuring])
    }
  } catch (error) {
    throwIfAborted(options.signal)
    throw new RelayError('BENCH', `${contestant.name}: ${withoutName(reasonOf(error), contestant.name)}`, {
      cause: error,
    })
  } finally {
    await running?.stop()
    if (ownPort !== null) await server.call('close', { port: ownPort }).catch(() => {})
  }
}

/** Somebody else may take a port between its being found free and its use. */
const attempts = 3

async function startInFront(
  contestant: Contestant,
  protocol: 'TCP' | 'UDP',
  server: Address,
  threads: number,
): Promise<RunningContestant> {
  for (let attempt = 1; ; attempt++) {
    const listen = await freeAddress(protocol)
    try {
      return await contestant.start({ routes: [{ protocol, listen, server }], threads })
    } catch (error) {
      if (attempt === attempts || !/EADDRINUSE|in use/i.test(reasonOf(error))) throw error
    }
  }
}

function withoutName(reason: string, name: string): string {
  return reason.startsWith(name) ? reason.slice(name.length).replace(/^[:\s]+/, '') : reason
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new RelayError('ABORTED', 'stopped')
}

// The load generator: one load at a time, started, marked and stopped by the benchmark.

import type { Address } from '../../lib/model/address.ts'
import type { Load, Marked } from './counters.ts'
import { holdIdle, type IdleConnections } from './idle.ts'
import type { PartCalls } from './part-process.ts'
import { runCrr, type CrrOptions } from './tcp-crr.ts'
import { runRr, type RrLoad, type RrOptions } from './tcp-rr.ts'
import { runStream, type StreamOptions } from './tcp-stream.ts'
import { runUdpRr, type UdpRrOptions } from './udp-rr.ts'

export type LoadOptions =
  | ({ readonly kind: 'tcp-rr' } & RrOptions)
  | ({ readonly kind: 'tcp-crr' } & CrrOptions)
  | ({ readonly kind: 'tcp-stream' } & StreamOptions)
  | ({ readonly kind: 'udp-rr' } & UdpRrOptions)

export interface IdleOptions {
  readonly target: Address
  readonly requestBytes: number
  readonly responseBytes: number
  readonly count: number
}

/** What the part "generator" can be asked for. */
export function generatorCalls(): PartCalls {
  let load: Load | RrLoad | null = null
  let idle: IdleConnections | null = null
  const stop = async (): Promise<void> => {
    const last = load
    load = null
    await last?.stop()
    idle?.close()
    idle = null
  }
  return {
    start: async (options: LoadOptions): Promise<void> => {
      await stop()
      load = await startLoad(options)
    },
    mark: (): Marked | null => load?.counters.mark() ?? null,
    openLoop: ({ ratePerSecond }: { readonly ratePerSecond: number }): void => {
      if (load !== null && 'openLoop' in load) load.openLoop(ratePerSecond)
    },
    addIdle: async ({ target, requestBytes, responseBytes, count }: IdleOptions): Promise<number> => {
      idle ??= holdIdle(target, requestBytes, responseBytes)
      await idle.add(count)
      return idle.open
    },
    stop,
  }
}

function startLoad(options: LoadOptions): Promise<Load | RrLoad> {
  switch (options.kind) {
    case 'tcp-rr':
      return runRr(options)
    case 'tcp-crr':
      return runCrr(options)
    case 'tcp-stream':
      return runStream(options)
    case 'udp-rr':
      return runUdpRr(options)
    default:
      return Promise.reject(new TypeError(`no such load: ${JSON.stringify(options satisfies never)}`))
  }
}

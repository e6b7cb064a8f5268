// One watch request from its sending to its end: bytes to lines to events, and a guard against silence. It knows
// nothing of what events mean; whatever ends it other than the server's own end of the stream is an error.

import { RelayError } from '../model/error.ts'
import { apiErrorOf } from './api-error.ts'
import type { KubeClient, Query } from './client.ts'
import type { Clock } from '../ops/clock.ts'
import { LineFramer } from './framing.ts'
import { SilenceGuard } from './silence-guard.ts'
import { readWatchEvent, type WatchEvent } from './watch-event.ts'

/** An event that a watch goes on after; ERROR is thrown instead. */
export type StreamEvent = Exclude<WatchEvent, { readonly type: 'error' }>

export interface WatchStreamOptions {
  readonly client: KubeClient
  readonly path: string
  readonly query: Query
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The longest silence that is fine now. */
  readonly silenceMs: () => number
  /** How long the stream may take in all, now. */
  readonly totalMs: () => number
  readonly maxLineBytes?: number
  /** The server has accepted the watch. */
  onOpen(): void
  /** May throw, which ends the stream with that error. */
  onEvent(event: StreamEvent): void
}

/** The stream was given up because nothing came, or because the server didn't end it when it was to. */
export class SilentStream extends RelayError {
  constructor(server: string, path: string, silentMs: number) {
    const seconds = Math.round(silentMs / 1000)
    super('UNREACHABLE', `the watch of ${path} at ${server} is replaced: nothing has come for ${seconds} s`)
  }
}

/**
 * Watches until the server ends the stream, and returns then. A last line that was cut off is dropped: the next
 * watch, from the last event's resourceVersion, brings it again.
 * @throws RelayError: an ERROR event (ApiError), silence (UNREACHABLE), and as `KubeClient.stream`
 */
export async function followWatch(options: WatchStreamOptions): Promise<void> {
  const { client, path, query, clock, signal } = options
  // Not AbortSignal.any: the outer signal lives as long as the process, and would keep a reference to each watch.
  const stop = new AbortController()
  const abort = () => stop.abort(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  let guard: SilenceGuard | null = null
  try {
    const { chunks, context } = await client.stream(path, {
      query: { ...query, watch: true },
      signal: stop.signal,
    })
    options.onOpen()
    guard = new SilenceGuard({
      clock,
      silenceMs: options.silenceMs,
      totalMs: options.totalMs,
      onSilence: silentMs => stop.abort(new SilentStream(context.server, path, silentMs)),
    })
    const framer = new LineFramer(options.maxLineBytes)
    for await (const chunk of chunks) {
      framer.push(chunk, line => {
        const event = readWatchEvent(line)
        if (event.type === 'error') throw apiErrorOf(context, 0, event.status, null)
        options.onEvent(event)
      })
      guard.heard()
    }
    // Aborting can end the iteration without an error if the stream was just ending by itself.
    if (stop.signal.aborted) throw abortReason(stop.signal)
  } finally {
    guard?.stop()
    signal.removeEventListener('abort', abort)
  }
}

function abortReason(signal: AbortSignal): RelayError {
  return signal.reason instanceof RelayError
    ? signal.reason
    : new RelayError('ABORTED', 'the watch was aborted')
}

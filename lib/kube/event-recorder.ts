// Writes Kubernetes Events, and never gets into anyone's way: `record` returns at once, the queue is bounded, one request
// is under way at a time, and what can't be written is dropped and counted. An event is a courtesy.

import { RelayError } from '../model/error.ts'
import type { ObjectEvent, ObjectReference } from '../model/object-event.ts'
import { pause, type Clock } from '../ops/clock.ts'
import type { Log } from '../ops/log.ts'
import { ApiError } from './api-error.ts'
import { Backoff } from './backoff.ts'
import type { KubeClient } from './client.ts'
import { defaultEventLimits, EventFilter, type EventLimits } from './event-limits.ts'
import { EventNames, eventObject, type EventBody } from './event-object.ts'

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'request'>
  /** Whose events these are: the node's name. */
  readonly reportingInstance: string
  readonly log: Log
  readonly clock: Clock
  /** Milliseconds since 1970, as Date.now. */
  readonly wallClock: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly limits?: Partial<EventLimits>
}

/** What became of the events since the start. */
export interface EventCounts {
  readonly created: number
  /** The cause had been told already. */
  readonly skipped: number
  /** Never sent: too many of them, a full queue, or a server that takes none at the moment. */
  readonly dropped: number
  /** Sent, and refused or not answered. */
  readonly failed: number
}

interface Queued {
  readonly event: ObjectEvent
  readonly body: EventBody
}

/** client-go's queue has as many. */
export const maxQueued = 1000
/** Attempts for one event at a server that doesn't answer or is overloaded; client-go's number. */
export const maxAttempts = 12
/** How long nothing is sent after the server has shown that it can't or won't take events. */
export const offMs = 10 * 60_000

export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #filter: EventFilter
  readonly #names: EventNames
  readonly #queue: Queued[] = []
  readonly #closing = new AbortController()
  readonly #counts = { created: 0, skipped: 0, dropped: 0, failed: 0 }
  #sending: Promise<void> = Promise.resolve()
  #isSending = false
  #offUntil = Number.NEGATIVE_INFINITY
  #forbiddenTold = false

  constructor(options: EventRecorderOptions) {
    this.#options = options
    this.#filter = new EventFilter({ ...defaultEventLimits, ...options.limits }, options.clock.now())
    this.#names = new EventNames(options.wallClock, options.random)
  }

  get counts(): EventCounts {
    return { ...this.#counts }
  }

  /** Makes an event unless its cause has been told and not resolved since. May be called as often as one likes. */
  record(event: ObjectEvent): void {
    if (this.#closing.signal.aborted) return
    const { clock, reportingInstance, wallClock } = this.#options
    const now = clock.now()
    if (now < this.#offUntil || this.#queue.length >= maxQueued) {
      this.#counts.dropped++
      return
    }
    const { regarding, reason, note, cause = note } = event
    const verdict = this.#filter.judge(regarding, reason, cause, now)
    if (verdict !== 'new') {
      this.#counts[verdict === 'known' ? 'skipped' : 'dropped']++
      return
    }
    const name = this.#names.next(regarding.name)
    this.#queue.push({ event, body: eventObject(event, { name, reportingInstance, nowMs: wallClock() }) })
    if (!this.#isSending) this.#sending = this.#sendAll()
  }

  /** The cause is gone: should it come back, that is worth an event. Without a cause, all causes of the reason. */
  resolve(regarding: ObjectReference, reason: string, cause?: string): void {
    this.#filter.forget(regarding, reason, cause)
  }

  /** The object is gone, and with it whatever was told about it. */
  forget(regarding: ObjectReference): void {
    this.#filter.forget(regarding)
  }

  /** Resolves when everything that was recorded has been sent or given up; for tests and a clean stop. */
  async idle(): Promise<void> {
    await this.#sending
  }

  /** Ends the request under way and drops the rest. May be called twice. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true
    for (;;) {
      const next = this.#queue.shift()
      if (next === undefined) break
      if (this.#closing.signal.aborted || this.#options.clock.now() < this.#offUntil) this.#drop(next)
      else await this.#send(next)
    }
    this.#isSending = false
  }

  /** Tries until the event is there, or it is clear that it won't be. Never rejects. */
  async #send(queued: Queued): Promise<void> {
    const { client, clock, log, random } = this.#options
    const { signal } = this.#closing
    const { namespace } = queued.body.metadata
    const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`
    const backoff = new Backoff({ random })
    for (;;) {
      try {
        await client.request('POST', path, { body: queued.body, signal })
        this.#counts.created++
        this.#forbiddenTold = false
        return
      } catch (error) {
        if (backoff.failures > 0 && error instanceof ApiError && error.httpStatus === 409) {
          // The attempt before had arrived, only its answer hadn't.
          this.#counts.created++
          return
        }
        const again = this.#judge(error, backoff.failures)
        if (again === null || signal.aborted) {
          this.#counts.failed++
          this.#untell(queued)
          log.debug({ err: error, regarding: queued.body['regarding'] }, 'event not written')
          return
        }
        await pause(clock, backoff.next(again.retryAfterMs), signal)
      }
    }
  }

  /** What a failure means: try the event again, or give it up (null), and perhaps all others for a while, too. */
  #judge(error: unknown, failures: number): { readonly retryAfterMs: number | null } | null {
    const { log } = this.#options
    if (!(error instanceof RelayError)) return null
    if (!(error instanceof ApiError)) {
      return error.code === 'UNREACHABLE' && failures + 1 < maxAttempts ? { retryAfterMs: null } : null
    }
    const { httpStatus, retryAfterMs, status } = error
    if (isMissingRule(error)) {
      if (!this.#forbiddenTold) log.warn(`no events are written: ${error.message}`)
      this.#forbiddenTold = true
      this.#switchOff()
    } else if (httpStatus === 401) this.#switchOff()
    else if (httpStatus === 404 && !/^namespaces? "/.test(status.message)) {
      log.debug(`no events are written: ${error.message}`)
      this.#switchOff()
    } else if ((httpStatus === 429 || httpStatus >= 500) && failures + 1 < maxAttempts) {
      return { retryAfterMs }
    }
    return null
  }

  #switchOff(): void {
    this.#offUntil = this.#options.clock.now() + offMs
  }

  #drop(queued: Queued): void {
    this.#counts.dropped++
    this.#untell(queued)
  }

  /** Nobody has been told after all: the cause may be told later. */
  #untell({ event: { regarding, reason, note, cause = note } }: Queued): void {
    this.#filter.forget(regarding, reason, cause)
  }
}

/** RBAC's refusal, unlike one of an admission plugin or of a namespace that is being deleted. */
function isMissingRule({ httpStatus, status }: ApiError): boolean {
  return httpStatus === 403 && /cannot create resource "?events/.test(status.message)
}

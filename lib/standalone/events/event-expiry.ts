// Removes Events once they are an hour old, as the real server's storage does, and the oldest ones when there are
// more than a limit: Events are courtesy, and nobody who writes them may fill this process's memory.

import { objectKey } from '../../model/objects.ts'
import type { Clock, Timer } from '../../ops/clock.ts'
import { eventTtlMs } from '../kinds/event-strategy.ts'
import { events } from '../kinds/resources.ts'
import { StatusError } from '../kinds/status.ts'
import type { Store, StoreEvent } from '../store/store.ts'

/** A busy agent writes a few a minute; this is far more than a person reads. */
const maxEvents = 10_000
/** Also between two attempts at what the store refuses. */
const minWaitMs = 1000

export interface EventExpiryOptions {
  readonly store: Store
  readonly clock: Clock
  readonly ttlMs?: number
  readonly limit?: number
}

/** Starts with the Events that there are, as if they had just been written. Returns what ends it. */
export function startEventExpiry(options: EventExpiryOptions): () => void {
  const { store, clock, ttlMs = eventTtlMs, limit = maxEvents } = options
  /** When each Event goes. Every write puts its Event at the end, so the first one is always the next to go. */
  const deadlines = new Map<string, number>()
  let timer: Timer | undefined

  /** False when the store refuses it, as with a full disk: the Event is then still the next to go. */
  const remove = (key: string): boolean => {
    try {
      if (store.get(events, key)) store.delete(events, key)
    } catch (error) {
      if (error instanceof StatusError) return false
      throw error
    }
    deadlines.delete(key)
    return true
  }
  const arm = (): void => {
    const [next] = deadlines.values()
    if (timer !== undefined || next === undefined) return
    timer = clock.after(Math.max(minWaitMs, next - clock.now()), () => {
      timer = undefined
      for (const [key, deadline] of deadlines) {
        if (deadline > clock.now() || !remove(key)) break
      }
      arm()
    })
  }
  const onEvent = ({ type, object }: Pick<StoreEvent, 'type' | 'object'>): void => {
    const key = objectKey(object)
    deadlines.delete(key)
    if (type === 'DELETED') return
    deadlines.set(key, clock.now() + ttlMs)
    for (const oldest of deadlines.keys()) {
      if (deadlines.size <= limit || !remove(oldest)) break
    }
    arm()
  }

  const { items, resourceVersion } = store.list(events)
  for (const object of items) onEvent({ type: 'ADDED', object })
  const stopWatching = store.watch(events, resourceVersion, onEvent)
  return () => {
    stopWatching()
    timer?.cancel()
  }
}

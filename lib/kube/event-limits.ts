// How many Kubernetes Events are made: one for a cause as long as it lasts, and for one object not more than a token
// bucket has. A broken Service is found broken at every sync on every node; the API server must not hear of each time.

import type { ObjectReference } from '../model/object-event.ts'

export interface EventLimits {
  /** client-go's EventSourceObjectSpamFilter: 25 at once for one object, then one in 5 minutes. */
  readonly objectBurst: number
  readonly objectRefillMs: number
  /** For everything together, for the case that all Services of a cluster have the same trouble. */
  readonly totalBurst: number
  readonly totalRefillMs: number
  /** Objects that are remembered; client-go remembers as many. */
  readonly maxObjects: number
}

export const defaultEventLimits: EventLimits = {
  objectBurst: 25,
  objectRefillMs: 5 * 60_000,
  totalBurst: 100,
  totalRefillMs: 1000,
  maxObjects: 4096,
}

/** Begins full; each token is back after `refillMs`. */
export class TokenBucket {
  readonly #burst: number
  readonly #refillMs: number
  #tokens: number
  #at: number

  constructor(burst: number, refillMs: number, now: number) {
    this.#burst = burst
    this.#refillMs = refillMs
    this.#tokens = burst
    this.#at = now
  }

  has(now: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) / this.#refillMs)
    this.#at = now
    return this.#tokens >= 1
  }

  /** To be called only where `has` said so. */
  take(): void {
    this.#tokens -= 1
  }
}

interface KnownObject {
  /** By reason, the causes that have been told and not resolved. */
  readonly told: Map<string, Set<string>>
  /** By reason. */
  readonly buckets: Map<string, TokenBucket>
}

export type Verdict = 'new' | 'known' | 'too-many'

export class EventFilter {
  readonly #limits: EventLimits
  readonly #total: TokenBucket
  /** In the order of use, the one unused for longest first. */
  readonly #objects = new Map<string, KnownObject>()

  constructor(limits: EventLimits, now: number) {
    this.#limits = limits
    this.#total = new TokenBucket(limits.totalBurst, limits.totalRefillMs, now)
  }

  /** Whether an event is to be made; if it is `new` it counts as told from now on. */
  judge(regarding: ObjectReference, reason: string, cause: string, now: number): Verdict {
    const known = this.#use(objectKey(regarding))
    const told = known.told.get(reason)
    if (told?.has(cause) === true) return 'known'
    const { objectBurst, objectRefillMs } = this.#limits
    const bucket = known.buckets.get(reason) ?? new TokenBucket(objectBurst, objectRefillMs, now)
    known.buckets.set(reason, bucket)
    if (!bucket.has(now) || !this.#total.has(now)) return 'too-many'
    bucket.take()
    this.#total.take()
    if (told === undefined) known.told.set(reason, new Set([cause]))
    else told.add(cause)
    return 'new'
  }

  /** The next event with the cause is new again; without a cause, all of the reason; without a reason, all. */
  forget(regarding: ObjectReference, reason?: string, cause?: string): void {
    const known = this.#objects.get(objectKey(regarding))
    if (known === undefined) return
    if (reason === undefined) known.told.clear()
    else if (cause === undefined) known.told.delete(reason)
    else known.told.get(reason)?.delete(cause)
  }

  #use(key: string): KnownObject {
    const known = this.#objects.get(key) ?? { told: new Map(), buckets: new Map() }
    this.#objects.delete(key)
    this.#objects.set(key, known)
    if (this.#objects.size > this.#limits.maxObjects) {
      for (const oldest of this.#objects.keys()) {
        this.#objects.delete(oldest)
        break
      }
    }
    return known
  }
}

function objectKey({ kind, namespace, name, uid }: ObjectReference): string {
  return `${kind}/${namespace}/${name}/${uid}`
}

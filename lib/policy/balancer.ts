// Which of the eligible endpoints gets a connection. A balancer is fed the list whenever it changes and is asked once
// per attempt; endpoints to skip (tried by this connection already, or set aside) are passed by.

import type { BalancePolicy } from '../model/proxy-settings.ts'

/** What a balancer looks at. `active`: connections, dials and flows that the endpoint has now. */
export interface Balanced {
  readonly active: number
}

export interface Balancer<E extends Balanced> {
  /** Replaces the endpoints to choose from. */
  update(endpoints: readonly E[]): void
  /** An endpoint that isn't to be skipped, or null if there is none. */
  pick(skip: (endpoint: E) => boolean): E | null
}

/** `random` returns a number in [0, 1), as Math.random does. */
export function createBalancer<E extends Balanced>(policy: BalancePolicy, random: () => number): Balancer<E> {
  if (policy === 'round-robin') return new RoundRobin<E>()
  if (policy === 'least-connections') return new LeastConnections<E>()
  return new RandomPick<E>(random, policy === 'p2c' ? 2 : 1)
}

/**
 * Each endpoint in turn: exact over every full period. Across an update the turn goes on where it was, so that
 * frequent updates don't favour the front of the list.
 */
class RoundRobin<E extends Balanced> implements Balancer<E> {
  protected endpoints: readonly E[] = []
  protected next = 0

  update(endpoints: readonly E[]): void {
    const old = this.endpoints
    const position = new Map(old.length === 0 ? [] : endpoints.map((endpoint, index) => [endpoint, index]))
    let next = 0
    for (let step = 0; step < old.length; step++) {
      const kept = position.get(old[(this.next + step) % old.length] as E)
      if (kept !== undefined) {
        next = kept
        break
      }
    }
    this.endpoints = endpoints
    this.next = next
  }

  pick(skip: (endpoint: E) => boolean): E | null {
    const count = this.endpoints.length
    for (let step = 0; step < count; step++) {
      const endpoint = this.endpoints[this.next] as E
      this.next = (this.next + 1) % count
      if (!skip(endpoint)) return endpoint
    }
    return null
  }
}

/** The endpoint with the fewest connections; among equals in turn, so that an idle service is balanced too. */
class LeastConnections<E extends Balanced> extends RoundRobin<E> {
  override pick(skip: (endpoint: E) => boolean): E | null {
    const { endpoints, next } = this
    let best: E | null = null
    let at = next
    for (let step = 0; step < endpoints.length; step++) {
      const index = (next + step) % endpoints.length
      const endpoint = endpoints[index] as E
      if ((best !== null && endpoint.active >= best.active) || skip(endpoint)) continue
      best = endpoint
      at = index
    }
    if (best !== null) this.next = (at + 1) % endpoints.length
    return best
  }
}

/**
 * One endpoint at random, or of two (two different ones where there are two) the one with fewer connections. Two
 * choices come close to least-connections without the herd that it sends to a new endpoint (Mitzenmacher, 2001).
 */
class RandomPick<E extends Balanced> implements Balancer<E> {
  readonly #random: () => number
  readonly #choices: 1 | 2
  #endpoints: readonly E[] = []

  constructor(random: () => number, choices: 1 | 2) {
    this.#random = random
    this.#choices = choices
  }

  update(endpoints: readonly E[]): void {
    this.#endpoints = endpoints
  }

  pick(skip: (endpoint: E) => boolean): E | null {
    // Mostly nobody is to be skipped, and then looking at all of them would be for nothing. Whoever is chosen among all and
    // isn't skipped is as likely as any other such one.
    const [one, other] = this.#choose(this.#endpoints)
    if (one !== null && !skip(one) && (other === null || !skip(other))) return lessBusy(one, other)
    const left = this.#endpoints.filter(endpoint => !skip(endpoint))
    return left.length === 0 ? null : lessBusy(...this.#choose(left))
  }

  /** One of them, and a different one beside it where two are to be compared. */
  #choose(endpoints: readonly E[]): readonly [E | null, E | null] {
    const first = Math.floor(this.#random() * endpoints.length)
    const one = endpoints[first] ?? null
    if (this.#choices === 1 || endpoints.length < 2) return [one, null]
    const second = Math.floor(this.#random() * (endpoints.length - 1))
    return [one, endpoints[second < first ? second : second + 1] ?? null]
  }
}

function lessBusy<E extends Balanced>(one: E | null, other: E | null): E | null {
  return one !== null && other !== null && other.active < one.active ? other : one
}

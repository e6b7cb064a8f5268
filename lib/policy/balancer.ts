// Which of the eligible endpoints gets a connection. A balancer is fed the list whenever it changes and is
// asked once per attempt; endpoints that this connection tried already are passed by.

export const balancerNames = ['round-robin', 'random'] as const
export type BalancerName = (typeof balancerNames)[number]

export interface Balancer<E> {
  /** Replaces the endpoints to choose from. */
  update(endpoints: readonly E[]): void
  /** An endpoint that isn't in `tried`, or null if there is none. */
  pick(tried: readonly E[]): E | null
}

/** `random` returns a number in [0, 1), as Math.random does. */
export function createBalancer<E>(name: BalancerName, random: () => number): Balancer<E> {
  return name === 'random' ? new Random<E>(random) : new RoundRobin<E>()
}

/**
 * Each endpoint in turn: exact over every full period. Across an update the turn goes on where it was, so that
 * frequent updates don't favour the front of the list.
 */
class RoundRobin<E> implements Balancer<E> {
  #endpoints: readonly E[] = []
  #next = 0

  update(endpoints: readonly E[]): void {
    const position = new Map(endpoints.map((endpoint, index) => [endpoint, index]))
    const old = this.#endpoints
    let next = 0
    for (let step = 0; step < old.length; step++) {
      const kept = position.get(old[(this.#next + step) % old.length] as E)
      if (kept !== undefined) {
        next = kept
        break
      }
    }
    this.#endpoints = endpoints
    this.#next = next
  }

  pick(tried: readonly E[]): E | null {
    const count = this.#endpoints.length
    for (let step = 0; step < count; step++) {
      const endpoint = this.#endpoints[this.#next] as E
      this.#next = (this.#next + 1) % count
      if (!tried.includes(endpoint)) return endpoint
    }
    return null
  }
}

/** Each endpoint with the same chance, whatever was picked before. */
class Random<E> implements Balancer<E> {
  readonly #random: () => number
  #endpoints: readonly E[] = []

  constructor(random: () => number) {
    this.#random = random
  }

  update(endpoints: readonly E[]): void {
    this.#endpoints = endpoints
  }

  pick(tried: readonly E[]): E | null {
    const left = tried.length === 0 ? this.#endpoints : this.#endpoints.filter(each => !tried.includes(each))
    return left[Math.floor(this.#random() * left.length)] ?? null
  }
}

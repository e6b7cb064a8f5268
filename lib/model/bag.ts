// A collection without an order, for what comes and goes by the thousand in a second. A Set would do, but a Set that grows
// and shrinks all the time replaces its table, and each table, dead or not, refers to the one after it: one that has made
// it into V8's old generation keeps alive all that came later, until the next full garbage collection.

/** The place of an item in one bag. It refers to nothing but its item. */
export interface Place<T> {
  readonly item: T
  /** Where it is; negative: taken out. */
  index: number
}

export class Bag<T> {
  readonly #places: Place<T>[] = []

  get size(): number {
    return this.#places.length
  }

  add(item: T): Place<T> {
    const place = { item, index: this.#places.length }
    this.#places.push(place)
    return place
  }

  /** May be called twice. */
  remove(place: Place<T>): void {
    const { index } = place
    if (index < 0) return
    place.index = -1
    const last = this.#places.pop()
    if (last === undefined || last === place) return
    this.#places[index] = last
    last.index = index
  }

  /** What is in it now; it may change meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    for (const { item } of this.#places.slice()) yield item
  }
}

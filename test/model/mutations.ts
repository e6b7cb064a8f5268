// fast-check arbitraries for hostile JSON: what a field may hold that nobody expects, and an object with some of its
// fields, at any depth, replaced by that or taken away.

import * as fc from 'fast-check'
import type { KubeObject } from '../../lib/model/objects.ts'

const deep = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)) as unknown

export const absurdValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    65_536,
    1e308,
    '',
    'None',
    ' ',
    '0.0.0.0',
    '::',
    deep,
  ),
  fc.constantFrom<unknown>([], {}, [null], [[]], [{}], { length: 3 }, [1, 'a', null], { __proto__x: 1 }),
  fc.constantFrom<unknown>(
    'x'.repeat(100_000),
    Array.from({ length: 1000 }, () => null),
    'a/b:c',
    '\n\u001b[0m',
  ),
  fc.constantFrom<unknown>(JSON.parse('{"__proto__": "polluted", "constructor": null}')),
  fc.jsonValue(),
)

interface Mutation {
  readonly at: number
  readonly remove: boolean
  readonly value: unknown
}

const mutation: fc.Arbitrary<Mutation> = fc.record({ at: fc.nat(), remove: fc.boolean(), value: absurdValue })

/** The object with one to four of its fields mutated. The object itself stays one: the watch sees to that. */
export function mutated(object: KubeObject): fc.Arbitrary<KubeObject> {
  return fc.array(mutation, { minLength: 1, maxLength: 4 }).map(mutations => {
    const copy = structuredClone(object)
    for (const { at, remove, value } of mutations) {
      const places = placesIn(copy)
      const place = places[at % places.length]
      if (place === undefined) continue
      if (remove) delete place.container[place.key]
      else place.container[place.key] = value
    }
    return copy
  })
}

interface Place {
  readonly container: Record<string, unknown>
  readonly key: string
}

function placesIn(root: unknown): readonly Place[] {
  const places: Place[] = []
  const queue: unknown[] = [root]
  while (queue.length > 0 && places.length < 500) {
    const container = queue.shift()
    if (typeof container !== 'object' || container === null) continue
    for (const [key, value] of Object.entries(container)) {
      places.push({ container: container as Record<string, unknown>, key })
      queue.push(value)
    }
  }
  return places
}

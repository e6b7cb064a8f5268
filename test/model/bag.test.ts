// A bag holds what was put in and not taken out, whoever is taken out and when.

import * as fc from 'fast-check'
import t from 'tap'
import { Bag, type Place } from '../../lib/model/bag.ts'

void t.test('as a Set does', t => {
  const step = fc.record({ add: fc.boolean(), which: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const bag = new Bag<number>()
      const set = new Set<number>()
      const places: Place<number>[] = []
      for (const [number, { add, which }] of steps.entries()) {
        const place = places[which % places.length]
        if (add || place === undefined) {
          places.push(bag.add(number))
          set.add(number)
        } else {
          bag.remove(place)
          set.delete(place.item)
        }
      }
      return bag.size === set.size && [...bag].toSorted(byValue).join() === [...set].toSorted(byValue).join()
    }),
    { numRuns: 300 },
  )
  t.end()
})

void t.test('each is met once, though all are taken out meanwhile', t => {
  const bag = new Bag<string>()
  const places = ['a', 'b', 'c'].map(item => bag.add(item))
  const met: string[] = []
  for (const item of bag) {
    met.push(item)
    for (const place of places) bag.remove(place)
  }
  t.strictSame(met, ['a', 'b', 'c'])
  t.equal(bag.size, 0)
  t.end()
})

function byValue(a: number, b: number): number {
  return a - b
}

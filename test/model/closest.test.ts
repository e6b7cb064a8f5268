import * as fc from 'fast-check'
import { test } from 'tap'
import { closest, editDistance } from '../../lib/model/closest.ts'

void test('did you mean', async t => {
  const fields = ['type', 'ports', 'nodePort', 'targetPort', 'selector', 'clusterIP', 'clusterIPs']
  const cases: readonly (readonly [word: string, expected: string | undefined])[] = [
    ['types', 'type'],
    ['nodeport', 'nodePort'],
    ['tragetPort', 'targetPort'],
    ['selectors', 'selector'],
    ['clusterIp', 'clusterIP'],
    ['prots', 'ports'],
    ['replicas', undefined],
    ['', undefined],
  ]
  for (const [word, expected] of cases) t.equal(closest(word, fields), expected, word)
})

void test('property: the edit distance is a distance', async t => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b)
      return (
        distance === editDistance(b, a) &&
        (distance === 0) === (a === b) &&
        distance >= Math.abs(a.length - b.length) &&
        distance <= Math.max(a.length, b.length)
      )
    }),
  )
  t.pass()
})

void test('property: with a limit it is the same distance, or beyond it', async t => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 })
  fc.assert(
    fc.property(word, word, fc.nat(8), (a, b, limit) => {
      const distance = editDistance(a, b)
      return editDistance(a, b, limit) === (distance <= limit ? distance : Infinity)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

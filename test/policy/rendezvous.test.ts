import * as fc from 'fast-check'
import { test } from 'tap'
import { hashOf, weight } from '../../lib/policy/rendezvous.ts'

/** As the users of the two functions choose: the heaviest. */
function choose(key: string, candidates: readonly string[]): string | undefined {
  const weights = candidates.map(candidate => weight(hashOf(key), hashOf(candidate)))
  return candidates[weights.indexOf(Math.max(...weights))]
}

const endpoints = Array.from({ length: 8 }, (_, index) => `10.1.0.${index + 1}:8080`)
const clients = Array.from({ length: 8000 }, (_, index) => `10.2.${index >> 8}.${index & 255}`)

void test('neighbouring addresses are spread evenly over neighbouring endpoints', async t => {
  for (const count of [2, 3, 5, 8]) {
    const candidates = endpoints.slice(0, count)
    const chosen = clients.map(client => choose(client, candidates))
    for (const candidate of candidates) {
      const share = chosen.filter(each => each === candidate).length / (clients.length / count)
      t.ok(share > 0.9 && share < 1.1, `${candidate} of ${count}: ${share.toFixed(3)} of its share`)
    }
  }
})

void test('one that goes moves its own clients only; one that comes takes from all', async t => {
  const [gone = '', ...rest] = endpoints
  const before = clients.map(client => choose(client, endpoints))
  const after = clients.map(client => choose(client, rest))
  t.ok(before.every((chosen, index) => chosen === gone || chosen === after[index]))
  const heirs = new Set(after.filter((_, index) => before[index] === gone))
  t.equal(heirs.size, rest.length, 'its clients are spread over all others')
})

void test('weights are 32-bit whole numbers, of any text', async () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, candidate) => {
      const weighs = weight(hashOf(key), hashOf(candidate))
      return Number.isInteger(weighs) && weighs >= 0 && weighs < 2 ** 32
    }),
  )
})

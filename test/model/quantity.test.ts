import * as fc from 'fast-check'
import { test } from 'tap'
import { canonicalQuantity } from '../../lib/model/quantity.ts'

void test('each amount has one form', async t => {
  const cases: readonly (readonly [text: string, canonical: string | null])[] = [
    ['0', '0'],
    ['0Gi', '0'],
    ['-0.0', '0'],
    ['1', '1'],
    ['+1', '1'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['5.', '5'],
    ['500m', '500m'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['-1.5', '-1500m'],
    ['1000', '1k'],
    ['1500', '1500'],
    ['100000', '100k'],
    ['1024', '1024'],
    ['1e3', '1e3'],
    ['1E3', '1e3'],
    ['1e-3', '1e-3'],
    ['0.1e3', '100'],
    ['1e+21', '9223372036854775807'],
    ['1e999999999', '9223372036854775807'],
    ['1e-999999999', '1e-9'],
    ['1E', '1E'],
    ['0.0000000001', '1n'],
    ['1.0000000001', '1000000001n'],
    ['1Gi', '1Gi'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Ki', '512'],
    ['0.3Ki', '307200m'],
    ['1.0001Ki', '1025'],
    ['', null],
    ['.', null],
    ['-', null],
    ['1 Gi', null],
    ['1gi', null],
    ['4 cores', null],
    ['1e', null],
    ['0x10', null],
    ['NaN', null],
    ['1'.repeat(300), null],
  ]
  for (const [text, canonical] of cases) t.equal(canonicalQuantity(text), canonical, text)
})

void test('property: the canonical form is its own canonical form, and any text is answered', async t => {
  const suffix = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'E-2', 'e30')
  const amount = fc.tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat({ max: 99_999 }), suffix)
  fc.assert(
    fc.property(amount, ([whole, fraction, unit]) => {
      const canonical = canonicalQuantity(`${whole}.${fraction}${unit}`)
      return canonical !== null && canonicalQuantity(canonical) === canonical
    }),
  )
  fc.assert(fc.property(fc.string(), text => (canonicalQuantity(text)?.length ?? 0) < 300))
  t.pass('both hold')
})

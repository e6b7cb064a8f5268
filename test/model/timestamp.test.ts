import * as fc from 'fast-check'
import { test } from 'tap'
import { canonicalTimestamp } from '../../lib/model/timestamp.ts'

void test('times in whole seconds', async t => {
  const cases: readonly (readonly [text: string, canonical: string | null])[] = [
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z'],
    ['2026-01-31T12:00:00.987654321Z', '2026-01-31T12:00:00Z'],
    ['2026-01-31T12:00:00+02:30', '2026-01-31T09:30:00Z'],
    ['2026-01-31T23:30:00-01:00', '2026-02-01T00:30:00Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['2026-02-29T00:00:00Z', null],
    ['2026-13-01T00:00:00Z', null],
    ['2026-00-01T00:00:00Z', null],
    ['2026-01-00T00:00:00Z', null],
    ['2026-01-01T24:00:00Z', null],
    ['2026-01-01T00:60:00Z', null],
    ['2026-01-01T00:00:60Z', null],
    ['2026-01-01T00:00:00+24:00', null],
    ['0000-01-01T00:00:00+01:00', null],
    ['9999-12-31T23:59:59-01:00', null],
    ['2026-01-31', null],
    ['2026-01-31 12:00:00Z', null],
    ['2026-01-31T12:00:00', null],
    ['2026-01-31t12:00:00z', null],
    ['now', null],
    ['', null],
  ]
  for (const [text, canonical] of cases) t.equal(canonicalTimestamp(text, 'seconds'), canonical, text)
})

void test('times in microseconds need their six digits', async t => {
  const cases: readonly (readonly [text: string, canonical: string | null])[] = [
    ['2026-01-31T12:00:00.123456Z', '2026-01-31T12:00:00.123456Z'],
    ['2026-01-31T12:00:00.000000+01:00', '2026-01-31T11:00:00.000000Z'],
    ['2026-01-31T12:00:00Z', null],
    ['2026-01-31T12:00:00.123Z', null],
    ['2026-01-31T12:00:00.1234567Z', null],
  ]
  for (const [text, canonical] of cases) t.equal(canonicalTimestamp(text, 'microseconds'), canonical, text)
})

void test('property: what is canonical stays as it is, and any text is answered', async t => {
  const when = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  fc.assert(
    fc.property(when, date => {
      const canonical = canonicalTimestamp(date.toISOString(), 'seconds')
      return canonical !== null && canonicalTimestamp(canonical, 'seconds') === canonical
    }),
  )
  fc.assert(fc.property(fc.string(), text => canonicalTimestamp(text, 'seconds') === null))
  t.pass('both hold')
})

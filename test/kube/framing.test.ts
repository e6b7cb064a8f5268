import * as fc from 'fast-check'
import { test } from 'tap'
import { LineFramer } from '../../lib/kube/framing.ts'

function pushTo(framer: LineFramer, chunk: Uint8Array | string): unknown[] {
  const values: unknown[] = []
  framer.push(Buffer.from(chunk), value => values.push(value))
  return values
}

/** The values that come out when the bytes arrive cut at these places. */
function framed(bytes: Uint8Array, cuts: readonly number[]): unknown[] {
  const framer = new LineFramer()
  const places = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).flatMap((end, index) => pushTo(framer, bytes.subarray(places[index], end)))
}

const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', '\r\n \r\n')

void test('any cutting of the bytes gives the same values', async t => {
  const lines = fc.array(fc.tuple(fc.jsonValue(), lineEnd), { maxLength: 20 })
  fc.assert(
    fc.property(lines, fc.array(fc.nat(), { maxLength: 50 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map(([value, end]) => JSON.stringify(value) + end).join(''))
      const expected = lines.map(([value]) => JSON.parse(JSON.stringify(value)) as unknown)
      t.strictSame(framed(bytes, cuts), expected)
    }),
    { numRuns: 300 },
  )
})

void test('byte by byte, inside UTF-8 sequences and between \\r and \\n', async t => {
  const values = [{ name: 'grüße-€-😀' }, { name: '\u2028 is no line end' }, 'ende']
  const bytes = Buffer.from(values.map(value => `${JSON.stringify(value)}\r\n`).join(''))
  t.strictSame(framed(bytes, [...bytes.keys()]), values)
})

void test('a Uint8Array that views the middle of a buffer', async t => {
  const whole = Buffer.from('xxxx{"a":1}\nxxxx')
  const view = new Uint8Array(whole.buffer, whole.byteOffset + 4, 8)
  const values: unknown[] = []
  new LineFramer().push(view, value => values.push(value))
  t.strictSame(values, [{ a: 1 }])
})

void test('a last line that was cut off stays pending', async t => {
  const framer = new LineFramer()
  t.strictSame(pushTo(framer, '{"a":1}\n{"a":'), [{ a: 1 }])
  t.equal(framer.pendingBytes, 5)
  t.strictSame(pushTo(framer, '2}\n'), [{ a: 2 }])
  t.equal(framer.pendingBytes, 0)
})

void test('a line of many megabytes in small chunks costs what it weighs', async t => {
  // 32 MiB in 16 KiB chunks: joining at each chunk would copy 32 GiB, which no timeout here would bear.
  const framer = new LineFramer()
  const text = 'x'.repeat(16 * 1024)
  pushTo(framer, '"')
  for (let i = 0; i < 2048; i++) pushTo(framer, text)
  const [value] = pushTo(framer, '"\n') as [string]
  t.equal(value.length, 32 * 1024 * 1024)
})

void test('a line that is too long is an error before it fills the memory', async t => {
  const max = 100
  const cases: Record<string, string[]> = {
    'unfinished, in pieces': ['"', 'x'.repeat(60), 'x'.repeat(60)],
    'unfinished, at once': [`"${'x'.repeat(200)}`],
    'finished, at once': [`"${'x'.repeat(200)}"\n`],
    'finished, in pieces': [`"${'x'.repeat(90)}`, `${'x'.repeat(90)}"\n`],
  }
  for (const [name, chunks] of Object.entries(cases)) {
    const framer = new LineFramer(max)
    t.throws(() => chunks.forEach(chunk => pushTo(framer, chunk)), { code: 'API' }, name)
  }
  const fits = `"${'x'.repeat(max - 2)}"\n`
  t.equal(pushTo(new LineFramer(max), fits + fits).length, 2, 'the limit is per line')
})

void test('a line that is not JSON is an error, after the lines before it', async t => {
  const values: unknown[] = []
  const push = () => new LineFramer().push(Buffer.from('1\n2\n<html>\n3\n'), value => values.push(value))
  t.throws(push, { code: 'API', message: /isn't JSON/ })
  t.strictSame(values, [1, 2])
})
